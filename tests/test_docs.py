"""The pages of the documentation: their code runs, and none is missing."""

import pathlib
import re

import pytest

from keras_vae import objectives

DOCS = pathlib.Path(__file__).parents[1] / "docs"
PAGES = sorted(DOCS.glob("**/*.md"))
OBJECTIVES = [page for page in (DOCS / "objectives").glob("*.md") if page.stem != "index"]
HEADINGS = [
    *("The loss", "When to take it", "What it costs"),
    *("In code", "What to watch", "Paper"),
]


def blocks(page):
    return re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL)


def test_the_code_of_the_tutorial_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in blocks(DOCS / "tutorial.md"):
        # Blocks go on from each other, as a reader types them.
        short = block.replace("epochs=60", "epochs=4").replace("num_samples=200", "num_samples=5")
        exec(short, names)
    assert names["new"].shape == (20, 8, 8)
    assert "nats a digit" in capsys.readouterr().out
    assert (tmp_path / "digits" / "saved_model.pb").exists()
    first, *_, last = names["history"].history["reconstruction_loss"]
    assert last < first


def test_every_objective_has_a_page():
    pages = "\n".join(page.read_text() for page in OBJECTIVES)
    classes = {name for name in objectives.__all__ if isinstance(getattr(objectives, name), type)}
    parts = {
        name
        for name in classes
        if issubclass(getattr(objectives, name), (objectives.Objective, objectives.Penalty))
    }
    for name in parts - {"Objective", "Penalty"}:
        assert re.search(rf"\b{name}\b", pages), name


@pytest.mark.parametrize("page", OBJECTIVES, ids=lambda page: page.stem)
def test_pages_of_objectives_have_the_same_headings(page):
    assert re.findall(r"^## (.*)$", page.read_text(), flags=re.MULTILINE) == HEADINGS


@pytest.mark.parametrize("page", OBJECTIVES, ids=lambda page: page.stem)
def test_the_code_of_a_page_of_an_objective_runs(page):
    import keras

    from keras_vae import VAEModel

    encoder = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(4)])
    model = VAEModel(encoder, decoder, likelihood="bernoulli")
    for block in blocks(page):
        exec(block, {"model": model, "x_train": range(100)})
    assert isinstance(model.objective, objectives.Objective)


def test_every_page_is_in_the_navigation():
    navigation = (DOCS.parent / "mkdocs.yml").read_text()
    for page in PAGES:
        assert f"{page.relative_to(DOCS)}" in navigation
