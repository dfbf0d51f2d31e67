"""`losses.NegativeLogLikelihood`."""

import keras
import numpy as np
import pytest

from keras_vae import families
from keras_vae.losses import NegativeLogLikelihood

FAMILY = families.Normal((2, 3), scale=0.5)


def data(number=5):
    return np.random.default_rng(1).normal(size=(2, number, 2, 3)).astype("float32")


def expected(y, loc):
    terms = 0.5 * ((np.float64(y) - loc) / 0.5) ** 2 + np.log(0.5) + 0.5 * np.log(2 * np.pi)
    return np.nansum(terms, axis=(1, 2))


def test_summed_over_the_event_and_averaged_over_the_batch():
    y, loc = data()
    loss = NegativeLogLikelihood(FAMILY)
    assert loss.name == "negative_log_likelihood"
    np.testing.assert_allclose(loss(y, loc), expected(y, loc).mean(), rtol=1e-5)
    np.testing.assert_allclose(loss.call(y, loc), expected(y, loc), rtol=1e-5)


@pytest.mark.parametrize(
    ("reduction", "reduce"),
    [("sum_over_batch_size", np.mean), ("sum", np.sum), (None, np.array), ("mean", np.mean)],
)
def test_reduction(reduction, reduce):
    y, loc = data()
    value = NegativeLogLikelihood(FAMILY, reduction=reduction)(y, loc)
    np.testing.assert_allclose(value, reduce(expected(y, loc)), rtol=1e-5)


def test_sample_weight():
    y, loc = data()
    weight = np.linspace(0, 2, 5)
    value = NegativeLogLikelihood(FAMILY)(y, loc, sample_weight=weight)
    np.testing.assert_allclose(value, (weight * expected(y, loc)).mean(), rtol=1e-5)


def test_missing_entries_leave_the_sum():
    y, loc = data()
    y[0, 1, 2] = y[3] = np.nan
    value = NegativeLogLikelihood(FAMILY)(y, loc)
    np.testing.assert_allclose(value, expected(y, loc).mean(), rtol=1e-5)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float64"])
def test_data_of_every_dtype(dtype):
    y = np.array([[0, 1, 1], [1, 0, 1]], dtype)
    value = NegativeLogLikelihood(families.Bernoulli(3))(y, np.zeros((2, 3), "float32"))
    np.testing.assert_allclose(value, 3 * np.log(2), rtol=1e-6)


def test_extreme_logits_have_a_finite_loss():
    logits = np.array([[1e4, -1e4]], "float32")
    loss = NegativeLogLikelihood(families.Bernoulli(2))
    assert float(loss(np.array([[0.0, 1.0]]), logits)) == 2e4
    assert float(loss(np.array([[1.0, 0.0]]), logits)) == 0.0


def test_not_the_mean_over_pixels_of_keras():
    """The mistake that hides a beta as large as the number of pixels."""
    y = np.ones((4, 10), "float32")
    logits = np.random.default_rng(1).normal(size=(4, 10)).astype("float32")
    per_pixel = keras.losses.BinaryCrossentropy(from_logits=True)(y, logits)
    value = NegativeLogLikelihood(families.Bernoulli(10))(y, logits)
    np.testing.assert_allclose(value, 10 * per_pixel, rtol=1e-5)


def test_model_trains_and_is_saved(tmp_path):
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(8)(inputs))
    family = families.Normal(4, scale="per_element")
    model.compile("adam", NegativeLogLikelihood(family))
    x = np.random.default_rng(1).normal(size=(32, 4)).astype("float32")
    x[0, 0] = np.nan
    target = np.nan_to_num(x)
    losses = model.fit(target, x, epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(again.loss, NegativeLogLikelihood)
    assert again.evaluate(target, x, verbose=0) == model.evaluate(target, x, verbose=0)
    again.fit(target, x, verbose=0)


def test_config_round_trip():
    loss = NegativeLogLikelihood(FAMILY, reduction="sum", name="pixels")
    saved = keras.saving.serialize_keras_object(loss)
    assert saved["registered_name"] == "keras_vae>NegativeLogLikelihood"
    again = keras.saving.deserialize_keras_object(saved)
    assert again.get_config() == loss.get_config()
    assert (again.name, again.reduction, again.family.scale) == ("pixels", "sum", 0.5)


@pytest.mark.parametrize("scale", ["learned", "optimal"])
def test_families_with_weights_are_refused(scale):
    text = r"expects a family without weights.* Received: family=Normal\(.*Use VAEModel"
    with pytest.raises(ValueError, match=text):
        NegativeLogLikelihood(families.Normal(3, scale=scale))


@pytest.mark.parametrize("family", [None, "bernoulli", families.Bernoulli])
def test_family_of_the_wrong_kind(family):
    with pytest.raises(TypeError, match=r"expects a family of distributions. Received: family="):
        NegativeLogLikelihood(family)


def test_shapes():
    loss = NegativeLogLikelihood(families.Bernoulli(3))
    with pytest.raises(ValueError, match=r"expects data of shape .* Received: data of shape"):
        loss(np.zeros((2, 4)), np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"expects params of shape .* Received: params of shape"):
        loss(np.zeros((2, 3)), np.zeros((2, 4)))
    with pytest.raises(ValueError, match=r"as many data points as params"):
        loss(np.zeros((1, 3)), np.zeros((2, 3)))
