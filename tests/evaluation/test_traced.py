"""`log_likelihood` is traced once for a model, and never for the wrong one."""

import gc
import pickle
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import evaluation, families, priors
from keras_vae.evaluation import AnnealedImportanceSampling, _traced

METHODS = ["importance", "prior", AnnealedImportanceSampling(5, 2)]


def counted(model):
    """Returns the list that grows when the likelihood is traced."""
    traces = []
    original = model.likelihood.log_likelihood

    def log_likelihood(*args, **kwargs):
        traces.append(1)
        return original(*args, **kwargs)

    model.likelihood.log_likelihood = log_likelihood
    return traces


every_method = pytest.mark.parametrize(
    "method",
    [
        pytest.param(
            method, marks=() if method == "importance" else pytest.mark.stress, id=repr(method)
        )
        for method in METHODS
    ],
)


@every_method
def test_it_is_traced_once(linear, method):
    model = linear.model("wrong")
    traces = counted(model)
    evaluation.log_likelihood(model, linear.x, 20, method, seed=0)
    once = len(traces)
    assert once >= 1
    for x, num_samples, batch_size in (
        (linear.x, 20, None),
        (linear.x, 33, None),
        (linear.x[:4], 7, None),
        # The last batch is smaller.
        (linear.x, 7, 4),
        (np.tile(linear.x, (3, 1)), 5, 7),
    ):
        evaluation.log_likelihood(model, x, num_samples, method, batch_size=batch_size)
    assert len(traces) == once
    # Another kind of data, and another method, are other functions.
    evaluation.log_likelihood(model, np.float64(linear.x), 5, method)
    assert len(traces) == 2 * once
    evaluation.log_likelihood(model, linear.x, 5, AnnealedImportanceSampling(6, 2))
    assert len(traces) > 2 * once


@every_method
def test_a_kept_function_gives_the_numbers_of_a_new_one(linear, method):
    model = linear.model("wrong")
    evaluation.log_likelihood(model, linear.x[:3], 9, method, seed=3)
    kept = evaluation.log_likelihood(model, linear.x, 50, method, batch_size=4, seed=7)
    new = evaluation.log_likelihood(
        linear.model("wrong"), linear.x, 50, method, batch_size=4, seed=7
    )
    for a, b in zip(kept, new, strict=True):
        np.testing.assert_array_equal(a, b)


def test_it_follows_the_weights(linear):
    model = linear.model("true")
    before = evaluation.log_likelihood(model, linear.x, 50, seed=0).log_prob
    traces = counted(model)
    model.decoder.set_weights([w + 0.5 for w in model.decoder.get_weights()])
    after = evaluation.log_likelihood(model, linear.x, 50, seed=0).log_prob
    assert (np.abs(before - after) > 0.1).all()
    assert traces == []
    model.decoder.set_weights([w - 0.5 for w in model.decoder.get_weights()])
    again = evaluation.log_likelihood(model, linear.x, 50, seed=0).log_prob
    np.testing.assert_allclose(again, before, atol=1e-4)


def far_prior(model):
    model.prior = priors.TrainablePrior(families.MultivariateNormalDiag(2))
    model.prior.params.assign([3.0, 3.0, 0.0, 0.0])


def other_scale(model):
    model.likelihood = families.Normal(5, scale=2.0)


def scale_set(model):
    model.likelihood.scale = 2.0


def other_posterior(model):
    model.posterior = families.Laplace(2)


def other_decoder(model):
    model.decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(5)])


def other_layer(model):
    """The same network with other variables in it."""
    model.decoder.layers[0].enable_lora(1)
    for variable in model.decoder.layers[0].trainable_variables:
        variable.assign(np.ones(variable.shape))


@pytest.mark.parametrize(
    "change",
    [
        far_prior,
        pytest.param(other_scale, marks=pytest.mark.stress),
        pytest.param(scale_set, marks=pytest.mark.stress),
        other_posterior,
        pytest.param(other_decoder, marks=pytest.mark.stress),
        other_layer,
    ],
)
def test_it_follows_the_parts(linear, change):
    model = linear.model("wrong")
    before = evaluation.log_likelihood(model, linear.x, 200, seed=0).log_prob
    change(model)
    after = evaluation.log_likelihood(model, linear.x, 200, seed=0).log_prob
    assert (before != after).all()
    new = linear.model("wrong")
    change(new)
    new.set_weights(model.get_weights())
    expected = evaluation.log_likelihood(new, linear.x, 200, seed=0).log_prob
    np.testing.assert_array_equal(after, expected)


def test_models_are_not_kept_alive(linear):
    gc.collect()
    before = len(_traced._KEPT)
    model = linear.model("wrong")
    for method in METHODS:
        evaluation.log_likelihood(model, linear.x, 5, method)
    assert len(_traced._KEPT) == before + 1
    dead = [weakref.ref(part) for part in (model, model.decoder, model.prior, model.likelihood)]
    del model
    gc.collect()
    assert [part() for part in dead] == [None] * 4
    assert len(_traced._KEPT) == before


@pytest.mark.stress
def test_a_model_is_saved_and_pickled_as_before(linear, tmp_path):
    model = linear.model("wrong")
    expected = evaluation.log_likelihood(model, linear.x, 30, seed=1).log_prob
    model.save(tmp_path / "model.keras")
    for copy in (
        keras.saving.load_model(tmp_path / "model.keras"),
        pickle.loads(pickle.dumps(model)),
    ):
        result = evaluation.log_likelihood(copy, linear.x, 30, seed=1).log_prob
        np.testing.assert_allclose(result, expected, rtol=1e-6)
    model.export(tmp_path / "served")
    served = tf.saved_model.load(str(tmp_path / "served")).signatures["log_likelihood"]
    arguments = {"x": linear.x, "num_samples": np.int32(3000), "seed": np.int32([1, 2])}
    arguments = {name: tf.constant(value) for name, value in arguments.items()}
    result = served(**arguments)
    deviation = (result["log_prob"] - linear.log_evidence) / result["standard_error"]
    assert (np.abs(deviation) < 4).all()


def test_the_encoder_runs_once_an_example(linear):
    model = linear.model("wrong")
    rows = []
    encode = model._encoder_params

    def watched(x, condition, training):
        tf.py_function(lambda n: rows.append(int(n)), [tf.shape(x)[0]], [])
        return encode(x, condition, training)

    model._encoder_params = watched
    # 5000 samples are several chunks.
    evaluation.log_likelihood(model, linear.x, 5000, batch_size=4)
    assert rows == [4, 2]
    rows.clear()
    evaluation.log_likelihood(model, linear.x, 5000, "prior", batch_size=4)
    assert rows == []


def test_a_model_that_is_not_built_yet(linear):
    encoder = keras.Sequential([keras.layers.Dense(4)])
    decoder = keras.Sequential([keras.layers.Dense(5)])
    model = type(linear.model())(encoder, decoder)
    result = evaluation.log_likelihood(model, linear.x, 5)
    assert np.isfinite(result.log_prob).all()
