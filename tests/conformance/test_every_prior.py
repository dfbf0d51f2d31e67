"""What every prior keeps to. A new prior is a row of `ROWS`."""

import dataclasses
import inspect
import json
from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from keras_vae import families, priors

tfd = tfp.distributions


def standard_normal(z, event_shape):
    axes = tuple(range(-len(event_shape), 0))
    return np.sum(-0.5 * z**2 - 0.5 * np.log(2 * np.pi), axis=axes)


def trainable(family):
    return lambda event_shape, **kwargs: priors.TrainablePrior(family(event_shape), **kwargs)


@dataclasses.dataclass(frozen=True)
class Row:
    """A prior, its log-density in float64 before training, and the number of its weights."""

    prior: type
    make: Callable
    density: Callable
    num_weights: int = 0


ROWS = {
    "standard_normal": Row(priors.StandardNormal, priors.StandardNormal, standard_normal),
    "trainable_diag": Row(
        priors.TrainablePrior, trainable(families.MultivariateNormalDiag), standard_normal, 1
    ),
    "trainable_tril": Row(
        priors.TrainablePrior, trainable(families.MultivariateNormalTriL), standard_normal, 1
    ),
    "trainable_normal": Row(priors.TrainablePrior, trainable(families.Normal), standard_normal, 1),
}
every_row = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
every_shape = pytest.mark.parametrize("event_shape", [(1,), (3,), (2, 3)], ids=str)


def concrete_subclasses(cls):
    for subclass in cls.__subclasses__():
        if subclass.__module__.startswith("keras_vae") and not inspect.isabstract(subclass):
            yield subclass
        yield from concrete_subclasses(subclass)


def test_no_prior_is_missing():
    public = {getattr(priors, name) for name in priors.__all__} - {priors.Prior}
    in_table = {row.prior for row in ROWS.values()}
    assert in_table == public == set(concrete_subclasses(priors.Prior))


@every_row
@every_shape
def test_distribution(row, event_shape):
    prior = row.make(event_shape)
    distribution = prior.distribution()
    assert isinstance(distribution, tfd.Distribution)
    assert prior.event_shape == event_shape
    assert distribution.event_shape == event_shape
    assert distribution.batch_shape == ()
    assert distribution.dtype == "float32"
    z = distribution.sample(7, seed=(1, 2))
    assert z.shape == (7, *event_shape)
    expected = row.density(z.numpy().astype("float64"), event_shape)
    np.testing.assert_allclose(distribution.log_prob(z), expected, rtol=1e-5, atol=1e-5)


@every_row
@pytest.mark.parametrize(
    ("policy", "dtype"),
    [("mixed_float16", "float32"), ("mixed_bfloat16", "float32"), ("float64", "float64")],
)
def test_dtype_policy(row, policy, dtype):
    assert row.make(3, dtype=policy).distribution().dtype == dtype


@every_row
@every_shape
def test_config_round_trip(row, event_shape):
    prior = row.make(event_shape, name="latent_prior")
    saved = json.loads(json.dumps(keras.saving.serialize_keras_object(prior)))
    assert saved["registered_name"] == f"keras_vae>{row.prior.__name__}"
    again = keras.saving.deserialize_keras_object(saved)
    assert type(again) is row.prior
    assert again.name == "latent_prior"
    assert again.event_shape == event_shape
    assert again.get_config() == prior.get_config()


@every_row
def test_weights(row):
    prior = row.make(3)
    assert len(prior.trainable_weights) == len(prior.weights) == row.num_weights
    z = tf.ones((3,))
    with tf.GradientTape() as tape:
        value = prior.distribution().log_prob(z)
    for gradient in tape.gradient(value, prior.trainable_weights):
        assert np.any(gradient != 0.0)
    for weight in prior.weights:
        weight.assign(tf.fill(weight.shape, 0.5))
    again = row.make(3)
    again.set_weights(prior.get_weights())
    np.testing.assert_array_equal(
        again.distribution().log_prob(z), prior.distribution().log_prob(z)
    )


@every_row
def test_other_arguments_are_accepted(row):
    """A model gives every prior its encoder and the condition, whether it uses them or not."""
    row.make(3).distribution(encode=lambda x: x, condition=tf.zeros((2, 1)))


@every_row
def test_it_is_not_called_as_a_layer(row):
    with pytest.raises(NotImplementedError, match=r"is used through `distribution\(\)`"):
        row.make(3).call(np.zeros((1, 3)))


@every_row
@pytest.mark.parametrize("jit_compile", [False, True])
def test_in_a_compiled_function(row, jit_compile):
    prior = row.make((2, 3))
    z = tf.ones((4, 2, 3))
    compiled = tf.function(lambda z: prior.distribution().log_prob(z), jit_compile=jit_compile)
    np.testing.assert_allclose(compiled(z), prior.distribution().log_prob(z), rtol=1e-6)
