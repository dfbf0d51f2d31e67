"""The README's code runs as it stands, and its pictures and links are there."""

import pathlib
import re

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "examples" / "README.md"]


def test_the_code_of_the_readme_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    x = np.random.default_rng(1).uniform(size=(40, 28, 28)).astype("float32")
    names = {"x_train": x, "x_valid": x[:8]}
    assert len(blocks) == 2
    for block in blocks:
        # Blocks go on from each other, as a reader types them.
        exec(block.replace("epochs=20", "epochs=5"), names)
    assert len(list((tmp_path / "traversals").glob("*.png"))) == 5
    assert (tmp_path / "served" / "saved_model.pb").exists()
    assert names["model"].history.history["kl_weight"][-1] == pytest.approx(1.0, abs=0.21)
    assert np.isfinite(names["vae"].history.history["loss"]).all()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_pictures_of_a_page_exist(page):
    targets = re.findall(r"\]\(([^)#]+)\)", page.read_text())
    local = [target for target in targets if "://" not in target]
    missing = [target for target in local if not (page.parent / target).exists()]
    assert not missing
