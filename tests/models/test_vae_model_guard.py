"""A number that is not finite never reaches the weights, and is not hidden either."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import VAEModel, families, priors

NAN, INF = np.float32("nan"), np.float32("inf")
XLA = pytest.param({"jit_compile": True}, marks=pytest.mark.stress)


@pytest.fixture
def fit(data):
    def fit(model, x, batch_size=4, **keywords):
        return model.fit(x, batch_size=batch_size, shuffle=False, verbose=0, **keywords).history

    return fit


@pytest.fixture
def bad_step(data):
    """Three batches of four examples, the second of which has an infinite entry."""
    x = data.copy()
    x[5, 2] = INF
    return x


@pytest.mark.parametrize(
    "way",
    [
        pytest.param({"jit_compile": False}, marks=pytest.mark.stress),
        XLA,
        {"steps_per_execution": 3},
        # In an ordinary run test_train_function.py skips a step of a compiled block.
        pytest.param({"steps_per_execution": 2, "jit_compile": True}, marks=pytest.mark.stress),
        {"run_eagerly": True},
    ],
    ids=str,
)
def test_a_bad_step_is_as_if_it_had_not_been(build, data, bad_step, fit, assert_same, way):
    faulty, clean = build(), build()
    for model in (faulty, clean):
        model.compile(optimizer="adam", **way)
    logs = fit(faulty, bad_step)
    expected = fit(clean, np.delete(data, range(4, 8), axis=0))
    assert logs["skipped_steps"] == [1]
    assert expected["skipped_steps"] == [0]
    # The mean is over the examples that were trained on.
    np.testing.assert_allclose(logs["loss"], expected["loss"], rtol=1e-6)
    assert int(faulty.optimizer.iterations.numpy()) == 2
    assert_same(
        [v.numpy() for v in faulty.trainable_variables + faulty.optimizer.variables],
        [v.numpy() for v in clean.trainable_variables + clean.optimizer.variables],
        rtol=1e-6,
        atol=1e-7,
    )


@pytest.mark.parametrize(
    ("likelihood", "value"),
    [("normal", INF), ("normal", 1e30), ("bernoulli", 255.0), ("continuous_bernoulli", -0.1)],
)
def test_data_that_the_likelihood_cannot_have_changes_nothing(likelihood, value):
    encoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    model = VAEModel(encoder, decoder, likelihood=likelihood, seed=1)
    model.compile(optimizer="adam", max_skipped_steps=100, run_eagerly=True)
    x = np.full((8, 3), 0.5, "float32")
    model.train_on_batch(x)
    own = [v for v in model.trainable_variables + model.optimizer.variables]
    before = [v.numpy() for v in own]
    x[3, 1] = value
    logs = model.fit(x, batch_size=8, epochs=2, verbose=0).history
    assert logs["skipped_steps"] == [1, 1]
    # An epoch without any step has no mean: 0 would look like a perfect model.
    for name in ("loss", "reconstruction_loss", "kl_divergence", "elbo"):
        assert np.isnan(logs[name]).all()
    for variable, value in zip(own, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value, err_msg=variable.path)


def poisoned_prior():
    class Poisoned(priors.Prior):
        def distribution(self, *, encode=None, condition=None):
            loc = tf.fill((2,), NAN)
            return families.MultivariateNormalDiag(2)([loc, tf.zeros(2)])

    return {"prior": Poisoned()}


class InfiniteLoss(keras.layers.Layer):
    def call(self, x):
        self.add_loss(tf.constant(INF))
        return x


class InfiniteGradient(keras.layers.Layer):
    def call(self, x):
        # sqrt'(0) is infinite.
        return x + tf.sqrt(x - tf.stop_gradient(x))


def model_with(fault):
    last = {"penalty": [InfiniteLoss()], "gradient": [InfiniteGradient()]}.get(fault, [])
    encoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), *last])
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    likelihood = "bernoulli" if fault == "reconstruction" else None
    more = poisoned_prior() if fault == "KL" else {}
    return VAEModel(encoder, decoder, likelihood=likelihood, seed=1, **more)


@pytest.mark.parametrize("fault", ["reconstruction", "KL", "penalty", "gradient"])
def test_the_error_names_the_term_and_the_step(fault):
    model = model_with(fault)
    model.compile(optimizer="adam", max_skipped_steps=3, run_eagerly=True)
    before = [v.numpy() for v in model.trainable_variables]
    message = rf"non-finite {fault} term in 3 steps in a row, after step 0"
    with pytest.raises(ValueError, match=message):
        model.fit(np.full((16, 3), 2.0, "float32"), batch_size=1, verbose=0)
    for variable, value in zip(model.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


@pytest.mark.parametrize("way", [{}, XLA, {"steps_per_execution": 4}], ids=str)
def test_ten_bad_steps_in_a_row_are_the_end(build, data, fit, way):
    model = build()
    model.compile(optimizer="adam", **way)
    # Nine, whatever the epochs they are in; then a good step; then nine again.
    bad = np.repeat(data[:1], 9, axis=0)
    bad[:, 0] = INF
    x = np.concatenate([data[:2], bad, data[:1], bad, data[:1]])
    logs = fit(model, x, batch_size=1)
    assert logs["skipped_steps"] == [18]
    assert int(model.optimizer.iterations.numpy()) == 4
    with pytest.raises(
        ValueError, match=r"reconstruction term in 1\d steps in a row, after step 4"
    ):
        fit(model, np.concatenate([bad, bad[:1]]), batch_size=1, epochs=2)
    # The error starts the count anew: better data continues the training.
    assert fit(model, data)["skipped_steps"] == [0]


def test_bad_steps_in_a_row_are_counted_across_epochs(build, data, fit):
    model = build()
    model.compile(optimizer="adam", max_skipped_steps=4, run_eagerly=True)
    x = data[:1].copy()
    x[0, 0] = INF
    with pytest.raises(ValueError, match="in 4 steps in a row"):
        fit(model, x, epochs=10)


def test_train_on_batch_is_guarded(build, data):
    model = build()
    model.compile(optimizer="adam", max_skipped_steps=2, run_eagerly=True)
    bad = data.copy()
    bad[0, 0] = INF
    assert model.train_on_batch(bad, return_dict=True)["skipped_steps"] == 1
    with pytest.raises(ValueError, match="in 2 steps in a row"):
        model.train_on_batch(bad)


def test_an_exploding_loss_stops_with_finite_weights(data):
    encoder = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(4)])
    model = VAEModel(encoder, decoder, seed=1)
    model.compile(optimizer=keras.optimizers.SGD(1e8))
    with pytest.raises(ValueError, match="lower the learning rate"):
        model.fit(data, epochs=60, verbose=0)
    assert all(np.isfinite(v.numpy()).all() for v in model.variables if "sums" not in v.path)


def test_evaluation_shows_a_loss_that_is_not_finite(build, bad_step):
    model = build()
    model.compile(run_eagerly=True)
    logs = model.evaluate(bad_step, batch_size=4, verbose=0, return_dict=True)
    assert not np.isfinite(logs["loss"])
    assert logs["skipped_steps"] == 1


def test_validation_leaves_the_count_of_training_alone(build, data, bad_step, fit):
    model = build()
    model.compile(optimizer="adam", max_skipped_steps=2, run_eagerly=True)
    logs = fit(model, data, validation_data=(bad_step,), epochs=3)
    assert logs["skipped_steps"] == [0, 0, 0]
    assert logs["val_skipped_steps"] == [1, 1, 1]


def test_an_example_of_weight_zero_may_be_anything(build, data):
    model = build(likelihood=families.Bernoulli(4))
    model.compile(optimizer="adam", run_eagerly=True)
    x = np.clip(data, 0.0, 1.0)
    x[0] = 255.0
    weights = np.ones(12)
    weights[0] = 0.0
    logs = model.fit(x, x, sample_weight=weights, batch_size=12, verbose=0).history
    assert logs["skipped_steps"] == [0]
    assert np.isfinite(logs["loss"]).all()


@pytest.fixture
def half(build):
    """Returns a function that builds a model with a loss scale."""

    def half(initial_scale=2.0**15, likelihood=None, **compile_arguments):
        model = build(
            likelihood=likelihood or families.Normal(4),
            layer={"dtype": "mixed_float16"},
            dtype="mixed_float16",
        )
        optimizer = keras.optimizers.LossScaleOptimizer(
            keras.optimizers.SGD(0.01), initial_scale=initial_scale
        )
        model.compile(optimizer=optimizer, **compile_arguments)
        return model

    return half


@pytest.mark.parametrize("way", [{}, XLA, {"steps_per_execution": 3}], ids=str)
def test_an_overflow_of_the_loss_scale_is_no_fault(half, data, fit, way):
    model = half(initial_scale=2.0**40, max_skipped_steps=3, **way)
    logs = fit(model, data, epochs=20)
    # The scale is halved until the gradients fit, more often in a row than faults may be.
    assert 3 < sum(logs["skipped_steps"]) < 40
    assert logs["skipped_steps"][-1] == 0
    assert 1.0 <= float(model.optimizer.dynamic_scale.numpy()) < 2.0**40
    assert np.isfinite(logs["loss"]).all()


def test_a_persistent_fault_stops_training_with_a_loss_scale(half, data, fit):
    model = half(max_skipped_steps=5, likelihood=families.Bernoulli(4))
    before = [v.numpy() for v in model.trainable_variables]
    # The gradient of data outside the support is finite: the optimizer alone would apply it.
    with pytest.raises(ValueError, match="non-finite reconstruction term in 5 steps in a row"):
        fit(model, np.full((12, 4), 255.0, "float32"), epochs=20)
    for variable, value in zip(model.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    assert int(model.optimizer.iterations.numpy()) == 0


def test_a_persistent_fault_of_the_gradient_stops_training_with_a_loss_scale(data):
    model = model_with("gradient")
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.01))
    model.compile(optimizer=optimizer, max_skipped_steps=5, run_eagerly=True)
    with pytest.raises(ValueError, match="non-finite gradient term in 5 steps in a row"):
        model.fit(data[:, :3], batch_size=1, epochs=20, verbose=0)


def test_gradient_accumulation_skips_a_bad_part(build, data, bad_step, fit, assert_same):
    faulty, clean = build(), build()
    for model in (faulty, clean):
        model.compile(optimizer=keras.optimizers.SGD(0.1, gradient_accumulation_steps=2))
    assert fit(faulty, bad_step)["skipped_steps"] == [1]
    fit(clean, np.delete(data, range(4, 8), axis=0))
    assert_same(
        [v.numpy() for v in faulty.trainable_variables],
        [v.numpy() for v in clean.trainable_variables],
        rtol=1e-6,
    )


@pytest.mark.parametrize(
    ("value", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), (True, TypeError)]
)
def test_max_skipped_steps_is_checked(build, value, error):
    with pytest.raises(error, match="expects max_skipped_steps to be an integer of at least 1"):
        build().compile(max_skipped_steps=value)
