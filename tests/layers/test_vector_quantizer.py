"""`layers.VectorQuantizer`."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import VAEModel, families, objectives
from keras_vae.layers import VectorQuantizer
from keras_vae.losses import NegativeLogLikelihood

CODEBOOKS = ("ema", "loss")


@pytest.fixture
def restore_policy():
    yield
    keras.config.set_dtype_policy("float32")


def normal(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def layer_with(embeddings, *arguments, **keywords):
    embeddings = np.asarray(embeddings)
    layer = VectorQuantizer(len(embeddings), *arguments, **keywords)
    layer.build((None, embeddings.shape[-1]))
    layer.embeddings.assign(embeddings)
    return layer


def nearest(z, embeddings):
    """The nearest code of each vector, in float64."""
    z, embeddings = np.float64(z)[..., np.newaxis, :], np.float64(embeddings)
    return np.argmin(np.sum((z - embeddings) ** 2, axis=-1), axis=-1)


def state(layer):
    return {v.path: v.numpy() for v in layer.weights + [layer.seed_generator.state]}


def assert_same_state(layer, before):
    for path, value in state(layer).items():
        np.testing.assert_array_equal(value, before[path], err_msg=path)


def assert_same_values(a, b):
    """The same state in a layer and in its copy, whose variables have other paths."""
    for (path, left), right in zip(state(a).items(), state(b).values(), strict=True):
        np.testing.assert_array_equal(left, right, err_msg=path)


# Nearest codes


@pytest.mark.parametrize("jit_compile", [None, False, True])
@pytest.mark.parametrize("shape", [(40, 3), (6, 7, 3), (4, 5, 2, 3)])
def test_nearest_codes(jit_compile, shape):
    z, embeddings = normal(*shape), normal(11, 3, seed=2)
    layer = layer_with(embeddings)
    call, encode = layer.__call__, layer.encode
    if jit_compile is not None:
        call, encode = (tf.function(f, jit_compile=jit_compile) for f in (call, encode))
    codes = nearest(z, embeddings)
    assert len(np.unique(codes)) > 5
    found = encode(z)
    assert found.dtype == "int32"
    np.testing.assert_array_equal(found, codes)
    # Exactly the codes, not rounded by a detour over z.
    np.testing.assert_array_equal(call(z), embeddings[codes])
    np.testing.assert_array_equal(layer.decode(found), embeddings[codes])


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize(
    ("centre", "spread", "noise"), [(0.0, 1e4, 1e2), (1e4, 1.0, 1e-2), (-1e6, 1e3, 10.0)]
)
def test_large_inputs_find_the_code_that_float64_finds(centre, spread, noise, jit_compile):
    rng = np.random.default_rng(1)
    embeddings = (centre + spread * rng.normal(size=(64, 8))).astype("float32")
    codes = rng.integers(0, 64, 1000)
    z = (embeddings[codes] + noise * rng.normal(size=(1000, 8))).astype("float32")
    layer = layer_with(embeddings)
    np.testing.assert_array_equal(nearest(z, embeddings), codes)
    np.testing.assert_array_equal(tf.function(layer.encode, jit_compile=jit_compile)(z), codes)


def test_ties_are_any_of_the_nearest():
    layer = layer_with([[0.0, 1.0], [0.0, 1.0], [0.0, -1.0], [9.0, 9.0]])
    z = np.zeros((5, 2), "float32")
    np.testing.assert_array_equal(np.abs(layer(z)), np.tile([0.0, 1.0], (5, 1)))
    assert set(layer.encode(z).numpy()) <= {0, 1, 2}
    layer(z, training=True)
    assert np.isfinite(layer.embeddings).all()


def test_one_code():
    layer = layer_with([[1.0, 2.0]])
    np.testing.assert_array_equal(layer(normal(3, 2)), [[1.0, 2.0]] * 3)
    np.testing.assert_allclose(layer.perplexity_metric.result(), 1.0)


# Losses and gradients


@pytest.mark.parametrize(("codebook", "more"), [("ema", 0.0), ("loss", 1.0)])
@pytest.mark.parametrize("shape", [(5, 3), (5, 4, 2, 3)])
def test_losses_are_summed_over_an_example_and_averaged_over_the_batch(codebook, more, shape):
    z, embeddings = normal(*shape), normal(6, 3, seed=2)
    layer = layer_with(embeddings, codebook, 0.7)
    layer(z)
    (loss,) = layer.losses
    assert loss.shape == ()
    squares = np.sum((np.float64(z) - embeddings[nearest(z, embeddings)]) ** 2)
    np.testing.assert_allclose(loss, (0.7 + more) * squares / 5, rtol=1e-5)


@pytest.mark.parametrize("codebook", CODEBOOKS)
def test_gradients(codebook):
    z, embeddings = tf.constant(normal(5, 4, 3)), normal(6, 3, seed=2)
    layer = layer_with(embeddings, codebook, 0.7)
    weights = tf.constant(normal(5, 4, 3, seed=3))
    variable = layer.embeddings.value
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([z, variable])
        outputs = tf.reduce_sum(weights * layer(z))
        loss = layer.losses[0]
    # Straight through, to the last digit, and not into the codebook.
    np.testing.assert_array_equal(tape.gradient(outputs, z), weights)
    assert tape.gradient(outputs, variable) is None
    codes = nearest(z, embeddings)
    residual = np.float64(z) - embeddings[codes]
    np.testing.assert_allclose(tape.gradient(loss, z), 2 * 0.7 * residual / 5, rtol=1e-4, atol=1e-6)
    gradient = tape.gradient(loss, variable)
    if codebook == "ema":
        assert gradient is None
        assert layer.trainable_weights == []
        return
    expected = np.zeros((6, 3))
    np.add.at(expected, codes, -2 * residual / 5)
    np.testing.assert_allclose(tf.convert_to_tensor(gradient), expected, rtol=1e-4, atol=1e-6)
    assert layer.trainable_weights == [layer.embeddings]


# Moving averages


def averages(batches, embeddings, decay, smoothing=0.0):
    """Counts, sums and their ratio as in appendix A.1, in float64; smoothed as its authors do."""
    embeddings = np.float64(embeddings)
    counts, sums = np.zeros(len(embeddings)), np.zeros_like(embeddings)
    for z in batches:
        one_hot = np.eye(len(embeddings))[nearest(z, embeddings)]
        counts = decay * counts + (1 - decay) * one_hot.sum(0)
        sums = decay * sums + (1 - decay) * one_hot.T @ np.float64(z)
        total = counts.sum()
        divisor = (counts + smoothing) / (total + len(counts) * smoothing) * total
        ratio = sums / np.where(counts > 0, divisor, 1)[:, np.newaxis]
        embeddings = np.where(counts[:, np.newaxis] > 0, ratio, embeddings)
    return embeddings, counts


@pytest.mark.parametrize(
    ("decay", "jit_compile"), [(0.0, None), (0.6, None), (0.6, True), (0.99, None)]
)
def test_moving_averages_over_several_steps(decay, jit_compile):
    embeddings = np.concatenate([normal(5, 3, seed=2), [[50.0, 50.0, 50.0]]]).astype("float32")
    layer = layer_with(embeddings, decay=decay)
    step = lambda z: layer(z, training=True)  # noqa: E731
    if jit_compile is not None:
        step = tf.function(step, jit_compile=jit_compile)
    batches = [normal(40, 3, seed=10 + i) + 0.1 * i for i in range(8)]
    for z in batches:
        quantized = step(z)
        assert quantized.shape == (40, 3)
    expected, counts = averages(batches, embeddings, decay)
    np.testing.assert_allclose(layer.embeddings, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer._codebook.average_counts, counts, rtol=1e-5)
    # A code without vectors stays where it is.
    np.testing.assert_array_equal(layer.embeddings[-1], [50.0] * 3)
    # Laplace smoothing, which the authors' code has, changes nothing for the codes in use.
    smoothed, _ = averages(batches, embeddings, decay, smoothing=1e-5)
    np.testing.assert_allclose(layer.embeddings[:-1], smoothed[:-1], rtol=1e-3, atol=1e-4)


def test_a_step_quantizes_with_the_codebook_before_it():
    z, embeddings = normal(20, 3), normal(4, 3, seed=2)
    layer = layer_with(embeddings, decay=0.0)
    outputs = layer(z, training=True)
    np.testing.assert_array_equal(outputs, embeddings[nearest(z, embeddings)])
    assert np.any(layer.embeddings != embeddings)


def test_clusters_are_found_and_their_means_are_a_fixed_point():
    rng = np.random.default_rng(1)
    centres = np.array([[0.0, 5.0], [5.0, 0.0], [-5.0, -5.0], [1e4, 1e4]])
    label = rng.permutation(np.repeat(np.arange(4), 50))
    z = (centres[label] + 0.3 * rng.normal(size=(200, 2))).astype("float32")
    means = np.stack([z[label == k].astype("float64").mean(0) for k in range(4)])
    layer = layer_with(centres + 1.0, decay=0.9)
    for _ in range(100):
        layer(z, training=True)
    np.testing.assert_allclose(layer.embeddings, means, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
@pytest.mark.parametrize(
    ("codebook", "jit_compile"), [("ema", False), ("ema", True), ("loss", True)]
)
def test_a_batch_that_is_not_finite_changes_nothing(value, jit_compile, codebook):
    layer = layer_with(normal(4, 3, seed=2), codebook, decay=0.5, restart_after=1)
    step = tf.function(
        lambda z: (layer(z, training=True), layer.losses[0]), jit_compile=jit_compile
    )
    step(normal(20, 3))
    before = state(layer)
    z = normal(20, 3)
    z[7, 1] = value
    outputs, loss = step(z)
    after = state(layer)
    after[layer.seed_generator.state.path] = before[layer.seed_generator.state.path]
    for path, old in before.items():
        np.testing.assert_array_equal(after[path], old, err_msg=path)
    # It is not hidden either.
    assert not np.isfinite(loss)
    assert np.isfinite(np.delete(outputs.numpy(), 7, axis=0)).all()


@pytest.mark.parametrize("codebook", CODEBOOKS)
def test_inference_changes_nothing(codebook):
    layer = layer_with(normal(4, 3, seed=2), codebook, restart_after=1)
    before = state(layer)
    for _ in range(3):
        layer(normal(20, 3))
        layer(normal(20, 3), training=False)
        layer.decode(layer.encode(normal(20, 3)))
    assert_same_state(layer, before)
    layer.trainable = False
    layer(normal(20, 3), training=True)
    assert_same_state(layer, before)
    layer.trainable = True
    layer(normal(20, 3), training=True)
    with pytest.raises(AssertionError):
        assert_same_state(layer, before)


# Perplexity


@pytest.mark.parametrize("training", [False, True])
def test_perplexity_is_that_of_the_usage_of_all_batches(training):
    layer = layer_with(np.eye(4), "loss")
    batches = [np.repeat([0, 1], [3, 1]), np.repeat([0, 2], [1, 3])]
    for codes in batches:
        layer(np.eye(4, dtype="float32")[codes], training=training)
    share = np.array([4, 1, 3]) / 8
    expected = math.exp(-np.sum(share * np.log(share)))
    np.testing.assert_allclose(layer.perplexity_metric.result(), expected, rtol=1e-6)
    # Not the mean of the batches' own.
    assert abs(expected - math.exp(-0.75 * math.log(0.75) - 0.25 * math.log(0.25))) > 0.5
    layer.perplexity_metric.reset_state()
    layer(np.eye(4, dtype="float32"), training=training)
    np.testing.assert_allclose(layer.perplexity_metric.result(), 4.0, rtol=1e-6)


def test_a_vector_that_is_not_finite_uses_no_code():
    layer = layer_with(np.eye(4))
    assert np.isnan(layer.perplexity_metric.result())
    layer(np.array([[1, 0, 0, 0], [0, 1, 0, 0], [np.nan, 0, 0, 0]], "float32"))
    np.testing.assert_allclose(layer.perplexity_metric.result(), 2.0, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        (None, "perplexity"),
        ("vector_quantizer_3", "perplexity"),
        ("bottom", "bottom_perplexity"),
    ],
)
def test_metric_name(name, metric):
    assert VectorQuantizer(4, name=name).perplexity_metric.name == metric


# Restarts


def far_codes(num_dead=3):
    return np.concatenate([np.eye(2), np.full((num_dead, 2), 1e3)]).astype("float32")


@pytest.mark.parametrize("jit_compile", [None, True])
@pytest.mark.parametrize("codebook", CODEBOOKS)
def test_codes_unused_for_long_become_vectors_of_the_batch(codebook, jit_compile):
    layer = layer_with(far_codes(), codebook, restart_after=3, seed=1)
    layer._codebook.unused_steps.assign(np.zeros(5))
    step = lambda z: layer(z, training=True)  # noqa: E731
    if jit_compile is not None:
        step = tf.function(step, jit_compile=jit_compile)
    z = np.eye(2, dtype="float32")[np.arange(30) % 2] + 0.1 * normal(30, 2)
    for _ in range(2):
        step(z)
        np.testing.assert_array_equal(layer.embeddings[2:], far_codes()[2:])
    step(z)
    new = layer.embeddings.numpy()[2:]
    assert all(np.any(np.all(code == z, axis=1)) for code in new)
    assert len(np.unique(new, axis=0)) == 3
    np.testing.assert_array_equal(layer._codebook.unused_steps, 0.0)
    # They live: each is now the nearest of a vector.
    layer.perplexity_metric.reset_state()
    step(z)
    assert set(layer.perplexity_metric.usage.numpy() > 0) == {True}


def test_without_a_threshold_unused_codes_stay():
    layer = layer_with(far_codes())
    for _ in range(20):
        layer(np.eye(2, dtype="float32"), training=True)
    np.testing.assert_array_equal(layer.embeddings, far_codes())
    assert [w.name for w in layer.weights] == ["embeddings", "average_counts"]


def test_a_used_code_is_not_restarted():
    layer = layer_with(far_codes(), "loss", restart_after=2)
    layer._codebook.unused_steps.assign(np.zeros(5))
    first, second = np.float32([[1.0, 0.0]]), np.float32([[1e3, 1e3], [0.0, 1.0]])
    for _ in range(4):  # no code but duplicates is unused twice in a row
        layer(first, training=True)
        layer(second, training=True)
    codes = layer.embeddings.numpy()
    np.testing.assert_array_equal(codes[:2], np.eye(2))
    assert [1e3, 1e3] in codes.tolist()


def test_in_the_first_step_every_unused_code_starts_in_the_data():
    """A codebook far from the data would otherwise be one code."""
    z = 100.0 + normal(512, 3)
    layer = VectorQuantizer(32, restart_after=1000, seed=1)
    layer(z, training=True)
    assert np.all(np.abs(layer.embeddings.numpy() - 100.0) < 6.0)
    layer.perplexity_metric.reset_state()
    layer(z)
    assert layer.perplexity_metric.result() > 20


def test_restarts_are_seeded_and_random():
    z = normal(400, 3)
    codes = []
    for seed in (1, 1, 2):
        layer = layer_with(100 + normal(8, 3), restart_after=1, seed=seed)
        layer(z, training=True)
        codes.append(layer.embeddings.numpy())
    np.testing.assert_array_equal(codes[0], codes[1])
    assert np.any(codes[0] != codes[2])
    np.testing.assert_array_equal(
        *(
            layer.embeddings
            for layer in [VectorQuantizer(8, seed=5) for _ in range(2)]
            if layer(z) is not None
        )
    )


def test_every_vector_may_be_drawn():
    """Code k of 5 draws from the part of the batch between k / 5 and (k + 1) / 5."""
    z = np.arange(8, dtype="float32").reshape(8, 1) + 100
    layer = layer_with(np.zeros((5, 1)), "loss", restart_after=1, seed=1)
    call = tf.function(lambda: layer(z, training=True))
    number, drawn = 200, []
    for _ in range(number):
        # The last code has all vectors, the others draw.
        layer.embeddings.assign([[0.0], [0.0], [0.0], [0.0], [100.0]])
        call()
        drawn.append(layer.embeddings.numpy()[:4, 0])
    counts = np.array([np.sum(np.array(drawn) == value) for value in z[:, 0]])
    # 5/8 of a draw a vector, up to 4/5 of the batch: 6.4 vectors.
    share = np.array([5, 5, 5, 5, 5, 5, 2, 0]) / 8
    assert np.all(np.abs(counts - number * share) <= 4 * np.sqrt(number * 0.25)), counts
    assert counts[-1] == 0


@pytest.mark.parametrize("batch", [0, 1])
@pytest.mark.parametrize("codebook", CODEBOOKS)
def test_small_batches(batch, codebook):
    layer = VectorQuantizer(4, codebook, restart_after=1, seed=1)
    assert layer(tf.ones((batch, 2, 3)), training=True).shape == (batch, 2, 3)
    assert np.isfinite(layer.losses[0])
    assert np.isfinite(layer.embeddings).all()
    assert (layer.embeddings.numpy() == 1.0).any() == (batch == 1)


# Precision


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "bfloat16", "float64"])
@pytest.mark.usefixtures("restore_policy")
def test_dtype_policies(policy):
    keras.config.set_dtype_policy(policy)
    layer = layer_with(300 * normal(8, 3, seed=2), decay=0.999)
    z = tf.cast(300 * normal(50, 3), layer.compute_dtype)
    wide = "float64" if policy == "float64" else "float32"
    assert {str(w.dtype) for w in layer.weights} == {wide}
    # Squares of 300 are beyond the largest half.
    np.testing.assert_array_equal(layer.encode(z), nearest(z, layer.embeddings))
    outputs = layer(z, training=True)
    assert outputs.dtype == layer.compute_dtype
    assert layer.decode([1, 2]).dtype == layer.compute_dtype
    assert layer.losses[0].dtype == wide
    assert np.isfinite(layer.losses[0])
    # In half precision an average that moves by a thousandth would not move.
    used, before = layer.perplexity_metric.usage.numpy() > 0, layer.embeddings.numpy()
    for _ in range(2):
        layer(tf.cast(1.01 * tf.cast(z, wide), z.dtype), training=True)
    assert used.sum() > 4
    assert np.all((layer.embeddings.numpy() != before)[used])


@pytest.mark.parametrize("dtype", ["float64", "int64", "float16"])
def test_inputs_of_another_dtype(dtype):
    z = np.arange(12).reshape(4, 3).astype(dtype)
    layer = layer_with(normal(4, 3), "loss", restart_after=1)
    assert layer(z, training=True).dtype == "float32"
    assert layer.losses[0].dtype == "float32"


# In models


def networks(codebook, **keywords):
    encoder = keras.Sequential(
        [
            keras.Input((6, 4)),
            keras.layers.Dense(3),
            VectorQuantizer(8, codebook, seed=1, **keywords),
        ]
    )
    decoder = keras.Sequential([keras.Input((6, 3)), keras.layers.Dense(4)])
    return encoder, decoder


def functional_model(codebook="ema", **keywords):
    encoder, decoder = networks(codebook, **keywords)
    inputs = keras.Input((6, 4))
    return keras.Model(inputs, decoder(encoder(inputs))), encoder.layers[-1]


@pytest.mark.parametrize(
    ("codebook", "jit_compile"),
    [pytest.param("ema", True, marks=pytest.mark.stress), ("loss", False)],
)
def test_in_a_functional_model(codebook, jit_compile):
    model, layer = functional_model(codebook, restart_after=10)
    family, x = families.Normal((6, 4)), normal(64, 6, 4)
    optimizer = keras.optimizers.Adam(0.02, clipnorm=10.0)
    model.compile(optimizer, NegativeLogLikelihood(family), jit_compile=jit_compile)
    history = model.fit(x, x, validation_data=(x, x), epochs=8, verbose=0).history
    assert set(history) == {"loss", "perplexity", "val_loss", "val_perplexity"}
    assert history["val_loss"][-1] < history["val_loss"][0] - 2.0
    assert 1.0 < history["val_perplexity"][-1] <= 8.0
    before = state(layer)
    logs = model.evaluate(x, x, batch_size=64, verbose=0, return_dict=True)
    assert_same_state(layer, before)
    z = model.layers[1].layers[0](x)
    penalty = 0.25 if codebook == "ema" else 1.25
    penalty *= np.sum((z - layer.decode(layer.encode(z))) ** 2) / 64
    reconstruction = -family.log_likelihood(x, model(x)).numpy().mean()
    np.testing.assert_allclose(logs["loss"], reconstruction + penalty, rtol=1e-5)


def vae(codebook="ema", last=(), **compile_arguments):
    encoder, decoder = networks(codebook, restart_after=1)
    decoder = keras.Sequential([*decoder.layers, *last])
    posterior, likelihood = families.Deterministic((6, 3)), families.Normal((6, 4))
    model = VAEModel(encoder, decoder, posterior, likelihood, seed=1)
    model.compile(objective=objectives.ELBO(beta=0.0), **compile_arguments)
    return model, encoder.layers[-1]


@pytest.mark.parametrize(
    ("codebook", "jit_compile"),
    [pytest.param("ema", True, marks=pytest.mark.stress), ("loss", False)],
)
def test_in_a_vae_model(codebook, jit_compile):
    optimizer = keras.optimizers.Adam(0.02)
    model, layer = vae(codebook, optimizer=optimizer, jit_compile=jit_compile)
    x = normal(64, 6, 4)
    history = model.fit(x, validation_data=(x,), epochs=8, verbose=0).history
    assert history["val_loss"][-1] < history["val_loss"][0] - 2.0
    logs = model.evaluate(x, verbose=0, return_dict=True)
    z = model.encoder.layers[0](x)
    codes = layer.encode(z)
    squares = np.sum((z - layer.decode(codes)) ** 2) / 64
    penalty = (0.25 if codebook == "ema" else 1.25) * squares
    np.testing.assert_allclose(logs["loss"] - logs["reconstruction_loss"], penalty, rtol=1e-3)
    share = np.bincount(np.ravel(codes), minlength=8) / codes.numpy().size
    entropy = -np.sum(share[share > 0] * np.log(share[share > 0]))
    np.testing.assert_allclose(logs["perplexity"], np.exp(entropy), rtol=1e-5)
    # What the model's posterior is sure of is a code.
    np.testing.assert_array_equal(model.encode(x).mean(), layer.decode(codes))


@keras.saving.register_keras_serializable("test")
class InfiniteAt(keras.layers.Layer):
    """Infinite outputs for one batch size: a fault behind the quantizer."""

    def call(self, x):
        return x / (0.0 if x.shape[0] == 3 else 1.0)


@pytest.mark.parametrize(
    ("codebook", "fault"),
    [
        ("ema", "before"),
        ("ema", "behind"),
        pytest.param("loss", "behind", marks=pytest.mark.stress),
    ],
)
def test_a_skipped_step_of_a_vae_model_leaves_the_codebook(codebook, fault):
    model, layer = vae(codebook, last=[InfiniteAt()])
    model.fit(normal(64, 6, 4), verbose=0)
    # Every code is overdue.
    layer._codebook.unused_steps.assign(np.full(8, 5.0))
    before = [v.numpy() for v in model.weights]
    x = normal(3 if fault == "behind" else 4, 6, 4)
    if fault == "before":
        x[1] = np.inf
    logs = model.train_on_batch(x, return_dict=True)
    assert logs["skipped_steps"] == 1
    for variable, old in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), old, err_msg=variable.path)


# Saving


@pytest.mark.parametrize("codebook", CODEBOOKS)
def test_a_saved_model_trains_on_as_it_would_have(codebook, tmp_path):
    model, layer = functional_model(codebook, restart_after=2)
    x = normal(64, 6, 4)
    model.compile("adam", NegativeLogLikelihood(families.Normal((6, 4))))
    model.fit(x, x, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    layer_again = again.layers[1].layers[-1]
    assert_same_values(layer_again, layer)
    for m in (model, again):
        m.fit(x, x, epochs=2, shuffle=False, verbose=0)
    np.testing.assert_array_equal(again(x), model(x))
    assert_same_values(layer_again, layer)


def test_saved_weights(tmp_path):
    model, layer = functional_model(restart_after=2)
    x = normal(64, 6, 4)
    layer(normal(8, 6, 3), training=True)
    model.save_weights(tmp_path / "model.weights.h5")
    other, layer_again = functional_model(restart_after=2)
    other.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(other(x), model(x))
    assert_same_values(layer_again, layer)


# Errors


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"num_codes": 0}, ValueError, "num_codes to be an integer of at least 1"),
        ({"num_codes": 2.0}, TypeError, "num_codes to be an integer of at least 1"),
        ({"codebook": "kmeans"}, ValueError, "codebook to be one of 'ema', 'loss'"),
        ({"commitment_cost": -1.0}, ValueError, "commitment_cost to be a finite number"),
        ({"decay": -0.1}, ValueError, "decay to be a finite number of at least 0"),
        ({"decay": 1.0}, ValueError, r"a decay below 1, .* Received: decay=1.0. For example"),
        ({"restart_after": 0}, ValueError, "restart_after to be an integer of at least 1"),
        ({"restart_after": 1.5}, TypeError, "restart_after to be an integer of at least 1"),
        ({"seed": 1.5}, TypeError, "an integer seed or None. Received: seed=1.5"),
    ],
)
def test_wrong_arguments(arguments, error, text):
    with pytest.raises(error, match=f"VectorQuantizer expects {text}"):
        VectorQuantizer(**{"num_codes": 4, **arguments})


def test_wrong_calls():
    layer = VectorQuantizer(4)
    text = "VectorQuantizer expects a codebook. Received: a layer that has not been built. Call it"
    for method in (layer.encode, layer.decode):
        with pytest.raises(ValueError, match=text):
            method(np.zeros((2, 3), "int32"))
    for shape in [(None,), (None, 4, None)]:
        with pytest.raises(ValueError, match=r"inputs of shape \(B, ..., d\) .* Received: inputs"):
            layer.build(shape)
    layer(np.zeros((2, 3), "float32"))
    text = r"inputs of shape \(B, ..., 3\), .* Received: inputs of shape \(2, 4\). Make a layer"
    with pytest.raises(ValueError, match=text):
        layer.encode(np.zeros((2, 4), "float32"))
    text = "integer codes, as encode.* Received: codes of dtype float32. Call the layer"
    with pytest.raises(TypeError, match=text):
        layer.decode(np.zeros((2, 3), "float32"))
