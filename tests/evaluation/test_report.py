"""All numbers in one table."""

import re

import keras
import numpy as np
import pytest

from keras_vae import VAEModel, evaluation

X = (np.random.default_rng(0).uniform(size=(40, 6)) > 0.5).astype("float32")


@pytest.fixture
def model():
    keras.utils.set_random_seed(2)
    encoder = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4)])
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(6)])
    return VAEModel(encoder, decoder, likelihood="bernoulli", seed=1)


def test_the_numbers_are_those_of_the_functions(model, capsys):
    numbers = evaluation.report(model, X, num_samples=3000, seed=0)
    estimate = evaluation.log_likelihood(model, X, 3000, seed=7)
    assert numbers["log_likelihood"] == pytest.approx(
        estimate.log_prob.mean(), abs=4 * np.sqrt(2) * numbers["standard_error"]
    )
    assert 0 < numbers["standard_error"] < estimate.standard_error.mean()
    assert numbers["elbo"] == -(numbers["rate"] + numbers["distortion"])
    np.testing.assert_allclose(numbers["kl_per_dimension"].sum(), numbers["rate"], rtol=1e-5)
    bits = evaluation.bits_per_dimension(numbers["log_likelihood"], 6)
    assert numbers["bits_per_dimension"] == bits
    table = capsys.readouterr().out
    for name in ("log_likelihood", "elbo", "rate", "distortion", "mutual_information"):
        assert f"{numbers[name]:.2f}" in table
    assert "40 examples" in table
    (active,) = re.findall(r"active units +(\d) of 2", table)
    assert int(active) == numbers["active_units"].sum()
    first, second = np.argsort(-numbers["kl_per_dimension"])
    assert table.index(f"z{first} ") < table.index(f"z{second} ")


def test_the_seed_decides_and_silence_is_possible(model, capsys):
    a, b = (evaluation.report(model, X, 20, seed=4, verbose=0) for _ in range(2))
    assert capsys.readouterr().out == ""
    assert a.keys() == b.keys()
    for name, value in a.items():
        np.testing.assert_array_equal(value, b[name], err_msg=name)


def test_densities_have_no_bits(model):
    real = VAEModel(model.encoder, model.decoder, seed=1)
    assert "bits_per_dimension" not in evaluation.report(real, X, 20, verbose=0)


def test_arguments_are_checked(model):
    with pytest.raises(ValueError, match="report expects num_samples to be an integer of at least"):
        evaluation.report(model, X, num_samples=1)
    with pytest.raises(ValueError, match="report expects at least one example"):
        evaluation.report(model, X[:0])
