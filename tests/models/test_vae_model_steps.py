"""One training, whatever way its steps are run: compiled, several at once, in half precision."""

import keras
import numpy as np
import pytest

from keras_vae import VAEModel, families

WAYS = {
    "one by one": {"jit_compile": False},
    "what follows the gradients compiled": {},
    "eagerly": {"run_eagerly": True},
    "several at once": {"steps_per_execution": 3, "jit_compile": False},
    "XLA": {"jit_compile": True},
    "XLA, several at once": {"steps_per_execution": 4, "jit_compile": True},
    "XLA, several at once, one left": {"steps_per_execution": 3, "jit_compile": True},
}
# A small model is not compiled unless one asks for it, and XLA takes seconds for each.
RARE = {"what follows the gradients compiled", "XLA", "XLA, several at once, one left"}


def every_way(rare, ways=tuple(WAYS)):
    """Parametrizes a test over ways, the rare ones with --stress alone."""

    def param(way):
        return pytest.param(way, marks=pytest.mark.stress if way in rare else ())

    return pytest.mark.parametrize("way", [param(way) for way in ways])


@pytest.fixture
def train(build, data):
    def train(model=None, epochs=3, batch_size=3, optimizer=None, x=None, **compile_arguments):
        model = model or build()
        model.compile(optimizer=optimizer or keras.optimizers.Adam(0.01), **compile_arguments)
        logs = model.fit(
            data if x is None else x,
            batch_size=batch_size,
            epochs=epochs,
            shuffle=False,
            verbose=0,
        )
        return model, logs.history

    return train


@pytest.fixture
def reference(train):
    """Twelve steps of Adam, one by one."""
    return train(jit_compile=False)


# The first is what the others are compared with. Compiled blocks: test_train_function.py.
@every_way({*RARE, "XLA, several at once"}, tuple(WAYS)[1:])
def test_every_way_to_run_steps_gives_the_same_training(train, reference, assert_same, way):
    model, history = train(**WAYS[way])
    expected, expected_history = reference
    assert int(model.optimizer.iterations.numpy()) == 12
    # Adam divides gradients by their size: float32 noise in gradients near zero is not small.
    assert_same(model.get_weights(), expected.get_weights(), rtol=1e-3, atol=1e-4)
    assert history.keys() == expected_history.keys()
    for name, value in expected_history.items():
        np.testing.assert_allclose(history[name], value, rtol=1e-4, err_msg=name)


@every_way(RARE)
def test_every_step_draws_new_noise(build, data, way):
    model = build(posterior=families.MultivariateNormalDiag(2))
    model.compile(optimizer=keras.optimizers.SGD(0.0), **WAYS[way])
    # With a rate of zero only the noise can make a difference between epochs.
    losses = model.fit(data, batch_size=3, epochs=4, shuffle=False, verbose=0).history
    assert len(set(losses["reconstruction_loss"])) == 4
    np.testing.assert_allclose(losses["kl_divergence"], losses["kl_divergence"][0], rtol=1e-5)


def test_the_same_seed_is_the_same_training(build, train, assert_same):
    runs = [
        train(build(posterior=families.MultivariateNormalDiag(2), seed=seed)) for seed in (5, 5, 6)
    ]
    weights = [model.get_weights() for model, _ in runs]
    assert_same(weights[0], weights[1])
    assert runs[0][1]["loss"] == runs[1][1]["loss"]
    assert runs[0][1]["loss"] != runs[2][1]["loss"]


def test_evaluation_with_steps_per_execution(build, data):
    model = build()
    model.compile(steps_per_execution=3)
    several = model.evaluate(data, batch_size=5, verbose=0, return_dict=True)
    model.compile()
    one = model.evaluate(data, batch_size=5, verbose=0, return_dict=True)
    for name, value in one.items():
        np.testing.assert_allclose(several[name], value, rtol=1e-6)
    model.compile(steps_per_execution=3)
    assert model.predict(data, batch_size=5, verbose=0).shape == (12, 4)


def test_a_smaller_last_batch_has_its_share_of_the_mean(build, data):
    model = build()
    model.compile(run_eagerly=True)
    whole = model.evaluate(data[:7], batch_size=7, verbose=0, return_dict=True)
    split = model.evaluate(data[:7], batch_size=3, verbose=0, return_dict=True)
    for name, value in whole.items():
        np.testing.assert_allclose(split[name], value, rtol=1e-6)


@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.stress)])
def test_accumulated_gradients_are_those_of_the_full_batch(train, assert_same, jit_compile):
    full, _ = train(optimizer=keras.optimizers.SGD(0.1), batch_size=12, epochs=2)
    optimizer = keras.optimizers.SGD(0.1, gradient_accumulation_steps=4)
    accumulated, _ = train(optimizer=optimizer, epochs=2, jit_compile=jit_compile)
    assert_same(accumulated.get_weights(), full.get_weights(), rtol=1e-5, atol=1e-6)


@pytest.fixture
def digits():
    """Noisy copies of a few patterns in [0, 1], `(64, 16)`."""
    generator = np.random.default_rng(0)
    patterns = generator.uniform(size=(4, 16))
    noise = generator.normal(scale=0.05, size=(64, 16))
    return np.clip(patterns[generator.integers(0, 4, size=64)] + noise, 0, 1).astype("float32")


@pytest.mark.parametrize(
    ("likelihood", "policy", "tolerance", "jit_compile"),
    [
        pytest.param(families.Normal, "mixed_float16", 1e-3, False, marks=pytest.mark.stress),
        (families.Normal, "mixed_float16", 1e-3, True),
        pytest.param(families.Bernoulli, "mixed_float16", 1e-3, False, marks=pytest.mark.stress),
        pytest.param(families.Normal, "mixed_bfloat16", 1e-2, True, marks=pytest.mark.stress),
        (families.Bernoulli, "mixed_bfloat16", 1e-2, False),
        pytest.param(families.Normal, "float64", 1e-6, True, marks=pytest.mark.stress),
        (families.Bernoulli, "float64", 1e-6, False),
    ],
)
def test_every_precision_trains_to_nearly_the_same_loss(
    build, train, digits, policy, tolerance, likelihood, jit_compile
):
    def make(policy):
        model = build(
            features=16,
            posterior=families.MultivariateNormalDiag(2),
            likelihood=likelihood(16),
            layer={"dtype": policy},
            dtype=policy,
        )
        model.compile(run_eagerly=True)
        return model

    single, model = make("float32"), make(policy)
    model.encoder.set_weights(single.encoder.get_weights())
    model.decoder.set_weights(single.decoder.get_weights())
    expected = single.test_on_batch(digits, return_dict=True)
    before = model.test_on_batch(digits, return_dict=True)
    _, logs = train(
        model,
        optimizer=keras.optimizers.Adam(0.02),
        x=digits,
        batch_size=16,
        epochs=6,
        jit_compile=jit_compile,
    )
    half = policy == "mixed_float16"
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer) == half
    assert {v.dtype for v in model.trainable_variables} == {
        "float64" if policy == "float64" else "float32"
    }
    # Before training the weights are the same, so the losses differ by rounding alone: half
    # precision keeps 3 (float16) or 2 (bfloat16) digits of the networks' outputs. float64 draws
    # its own noise, so that only what has none can be compared.
    names = ["kl_divergence"] if policy == "float64" else list(expected)
    for name in names:
        np.testing.assert_allclose(before[name], expected[name], rtol=tolerance, atol=tolerance)
    assert all(np.isfinite(value).all() for value in logs.values())
    assert sum(logs["skipped_steps"]) <= (1 if half else 0)
    assert logs["loss"][-1] < logs["loss"][0]


def test_the_policy_of_the_process_is_enough(digits):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        encoder = keras.Sequential([keras.Input((16,)), keras.layers.Dense(4)])
        decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(16)])
        model = VAEModel(encoder, decoder, likelihood=families.Normal(16, scale="learned"), seed=1)
        model.compile()
        logs = model.fit(digits, epochs=2, verbose=0).history
    finally:
        keras.config.set_dtype_policy("float32")
    assert encoder.compute_dtype == "float16"
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert np.isfinite(logs["loss"]).all()
    assert model.likelihood.log_variance.numpy() != 0


def test_sums_over_many_pixels_do_not_overflow_half_precision():
    # 300 x 300 pixels of about 1 nat each are beyond float16's 65504.
    encoder = keras.Sequential([keras.Input((90_000,)), keras.layers.Dense(2)], name="encoder")
    decoder = keras.Sequential([keras.Input((1,)), keras.layers.Dense(90_000)])
    for layer in (encoder.layers[0], decoder.layers[0]):
        layer.dtype_policy = "mixed_float16"
    model = VAEModel(encoder, decoder, seed=1, dtype="mixed_float16")
    model.compile(run_eagerly=True)
    logs = model.evaluate(np.ones((2, 90_000), "float32"), verbose=0, return_dict=True)
    assert 90_000 < logs["loss"] < 300_000


def test_train_on_batch_is_a_step_of_fit(build, data, assert_same):
    one, other = build(), build()
    for model in (one, other):
        model.compile(optimizer=keras.optimizers.SGD(0.1), run_eagerly=True)
    fitted = one.fit(data, batch_size=12, epochs=2, verbose=0, shuffle=False).history
    logs = []
    for _ in range(2):
        other.reset_metrics()
        logs.append(other.train_on_batch(data, return_dict=True)["loss"])
    np.testing.assert_allclose(logs, fitted["loss"], rtol=1e-6)
    assert_same(one.get_weights(), other.get_weights(), rtol=1e-6, atol=1e-7)
    tested = other.test_on_batch(data, return_dict=True)
    evaluated = other.evaluate(data, verbose=0, return_dict=True)
    np.testing.assert_allclose(tested["loss"], evaluated["loss"], rtol=1e-6)


def test_frozen_networks_are_left_alone(build, data, assert_same):
    model = build()
    model.encoder.trainable = False
    before = [variable.numpy() for variable in model.encoder.weights]
    model.compile(optimizer=keras.optimizers.SGD(0.1), run_eagerly=True)
    model.fit(data, verbose=0)
    assert_same([variable.numpy() for variable in model.encoder.weights], before)
    assert len(model.trainable_variables) == 4


def test_nothing_to_train_is_told(build, data):
    model = build()
    model.trainable = False
    model.compile()
    with pytest.raises(ValueError, match=r"VAEModel expects trainable weights.*trainable = True"):
        model.fit(data, verbose=0)


def test_a_layer_without_gradient_does_not_stop_the_others(build, data):
    encoder = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(4)])
    model = VAEModel(encoder, decoder, seed=1)
    model.unused = keras.layers.Dense(2)
    model.unused.build((None, 2))
    model.compile(run_eagerly=True)
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        logs = model.fit(data, verbose=0).history
    assert logs["skipped_steps"] == [0]


def test_batch_normalization_and_dropout_know_training_from_evaluation(data):
    encoder = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5, seed=1),
            keras.layers.Dense(4),
        ]
    )
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(4)])
    model = VAEModel(encoder, decoder, posterior=None, seed=1)
    model.compile(optimizer=keras.optimizers.SGD(0.0), run_eagerly=True)
    mean = encoder.layers[0].moving_mean
    model.evaluate(data, verbose=0)
    assert (mean.numpy() == 0).all()
    model.fit(data, batch_size=12, verbose=0)
    np.testing.assert_allclose(mean.numpy(), 0.01 * data.mean(axis=0), rtol=1e-4, atol=1e-6)
    predictions = [model.predict(data, verbose=0) for _ in range(2)]
    np.testing.assert_array_equal(*predictions)
