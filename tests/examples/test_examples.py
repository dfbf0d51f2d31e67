"""Every example runs, in a tiny setting, and stays short enough to be read."""

import functools
import pathlib
import runpy

import pytest
from PIL import Image

from keras_vae import VAEModel, evaluation, families, priors, tasks

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"
# What each example writes to its folder.
WRITES = {
    "quickstart.py": [
        "reconstructions.png",
        "samples.png",
        "traversal/traversal_epoch_0001.png",
        "traversal/traversal_epoch_0002.png",
        "traversal/traversal.gif",
        "model.keras",
        "saved_model/saved_model.pb",
    ],
    "drop_in_layers.py": ["drop_in_layers.png", "model.keras"],
    "autoencoder_or_vae.py": ["autoencoder_or_vae.png"],
    "vector_quantizer.py": ["vector_quantizer.png"],
    "priors.py": ["priors.png"],
    "counts.py": ["counts.png"],
    "objectives.py": ["objectives.png"],
    "rate_distortion.py": ["rate_distortion.png"],
    "two_divergences.py": ["two_divergences.png"],
    "sampling_the_prior.py": ["sampling_the_prior.png"],
    "posterior_collapse.py": ["posterior_collapse.png"],
    "inpainting.py": ["inpainting.png"],
    "anomalies.py": ["anomalies.png"],
    "attributes.py": ["attributes.png"],
    "transformer.py": ["transformer.png"],
    "semi_supervised.py": ["semi_supervised.png"],
    "denoising.py": ["denoising.png"],
    "ladder.py": ["ladder.png"],
    "sequences.py": ["sequences.png"],
    "conditional.py": ["conditional.png"],
}
PRINTS = {
    "quickstart.py": [
        "test ELBO",
        "test log-likelihood",
        "active latents",
        "SavedModel = model   largest difference 0.0e+00",
        "written to",
    ],
    "drop_in_layers.py": ["test loss = -ELBO", "loaded = saved       largest difference 0.0e+00"],
    "autoencoder_or_vae.py": ["written to"],
    "vector_quantizer.py": ["test perplexity", "one after another", "written to"],
    "priors.py": ["VampPrior: test log-likelihood", "written to"],
    "counts.py": ["negative binomial", "more than Poisson", "written to"],
    "objectives.py": ["ELBO: log p(x) = ", "above the ELBO: ", "written to"],
    "rate_distortion.py": ["rate KL(q(z|x) || p(z))", "beta = 20: log p(x)", "written to"],
    "two_divergences.py": ["q takes one hump: mean", "q covers both: mean", "written to"],
    "sampling_the_prior.py": ["16 latents", "samples of the posterior: ", "written to"],
    "posterior_collapse.py": ["scale 1.0: KL", "scale optimal: KL", "written to"],
    "inpainting.py": ["mean of the pixel", "impute, best guess", "written to"],
    "anomalies.py": ["called strange: ", "of the 4s", "written to"],
    "attributes.py": ["more ink than others of their kind:", "same digit", "written to"],
    "transformer.py": ["PCA: accuracy", "VAE: accuracy", "written to"],
    "semi_supervised.py": ["accuracy:", "30 labels, 1267 images", "written to"],
    "denoising.py": ["fit(noisy, clean)", "root mean squared error", "written to"],
    "ladder.py": ["test loss = -ELBO", "of it for the upper", "written to"],
    "sequences.py": ["free bits: loss ", "% rebuilt", "written to"],
    "conditional.py": ["test digits inferred", "written to"],
}
# Fewer models and less data, in place of an example's own, which it keeps with --stress.
SMALLER = {
    "priors.py": {
        "PRIORS": {
            "StandardNormal": lambda: priors.StandardNormal(2),
            "VampPrior": lambda: priors.VampPrior(64, 5),
        }
    },
    "counts.py": {
        "LIKELIHOODS": {
            "Poisson": families.Poisson,
            "negative binomial": lambda genes: families.NegativeBinomial(genes, library_size=True),
        }
    },
    "rate_distortion.py": {"BETAS": (1.0, 20.0)},
    "objectives.py": {"NUM_TRAIN": 200, "NUM_TEST": 100},
    "posterior_collapse.py": {"SCALES": (1.0, "optimal")},
    "sampling_the_prior.py": {"LATENTS": (2, 16)},
    "transformer.py": {"SIZES": (1, 2)},
    "conditional.py": {"NUM_TEST": 20},
    "sequences.py": {"SETTINGS": {"free bits": (0.5, 12.0)}, "NUM_TRAIN": 128, "NUM_TEST": 8},
}


def test_every_example_is_run_here():
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(WRITES) == set(PRINTS)


@pytest.mark.parametrize("name", WRITES)
def test_an_example_can_be_read_in_one_sitting(name):
    lines = (EXAMPLES / name).read_text().splitlines()
    assert len(lines) <= 120
    assert lines[0].startswith('"""')
    assert f"python examples/{name}" in "\n".join(lines[:10])


@pytest.fixture
def quickly(monkeypatch):
    """Leaves out what most of an example's time goes to: samples, and compiling for speed."""

    def of_few_samples(function, model, x, num_samples, *args, **kwargs):
        return function(model, x, min(num_samples, 10), *args, **kwargs)

    def without_xla(model, compile, *args, **kwargs):
        return compile(model, *args, **{**kwargs, "jit_compile": False})

    for module, name in ((evaluation, "log_likelihood"), (tasks, "impute")):
        few = functools.partial(of_few_samples, getattr(module, name))
        monkeypatch.setattr(module, name, few)
    monkeypatch.setattr(VAEModel, "compile", functools.partialmethod(without_xla, VAEModel.compile))


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize("name", WRITES)
def test_an_example_runs(name, tmp_path, capsys, effort):
    example = runpy.run_path(str(EXAMPLES / name), run_name="example")
    example["main"].__globals__.update(effort(SMALLER.get(name, {}), {}))
    # The first shows what two epochs leave behind.
    epochs = "2" if name == "quickstart.py" else "1"
    example["main"](["--epochs", epochs, "--output", str(tmp_path / "output")])
    printed = capsys.readouterr().out
    for line in PRINTS[name]:
        assert line in printed
    for file in WRITES[name]:
        path = tmp_path / "output" / file
        assert path.exists()
        if path.suffix in (".png", ".gif"):
            with Image.open(path) as image:
                image.load()


def test_the_examples_are_listed_with_their_pictures():
    text = (EXAMPLES / "README.md").read_text()
    for name in WRITES:
        assert f"({name})" in text
    pictures = EXAMPLES.parent / "docs" / "images"
    shown = [line.split("../docs/images/")[1:] for line in text.splitlines()]
    names = [part.split('"')[0].split(")")[0] for parts in shown for part in parts]
    assert names
    for name in names:
        assert (pictures / name).stat().st_size < 300_000
