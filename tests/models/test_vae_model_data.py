"""The same training from every kind of data."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import VAEModel, families, priors

BATCH = 5  # does not divide the 12 examples: the last batch has 2


class Batches(keras.utils.PyDataset):
    def __init__(self, *arrays, **kwargs):
        super().__init__(**kwargs)
        self.arrays = arrays

    def __len__(self):
        return -(-len(self.arrays[0]) // BATCH)

    def __getitem__(self, index):
        piece = tuple(array[index * BATCH : (index + 1) * BATCH] for array in self.arrays)
        return piece if len(piece) > 1 else piece[0]


def train(model, *arguments, run_eagerly=True, **keywords):
    model.compile(optimizer=keras.optimizers.SGD(0.05), run_eagerly=run_eagerly)
    history = model.fit(*arguments, epochs=2, verbose=0, shuffle=False, **keywords)
    return history.history, model.get_weights()


def as_arrays(x, y):
    return (x,) if y is None else (x, y), {"batch_size": BATCH}


def as_tf_data(x, y):
    return (tf.data.Dataset.from_tensor_slices(x if y is None else (x, y)).batch(BATCH),), {}


def as_py_dataset(x, y):
    return (Batches(x) if y is None else Batches(x, y),), {}


def as_dictionary(x, y):
    return ({"x": x},) if y is None else ({"x": x}, y), {"batch_size": BATCH}


def as_list(x, y):
    return ([x],) if y is None else ([x], y), {"batch_size": BATCH}


def by_hand(x, y):
    """Plain gradient descent with TensorFlow, for the reference."""

    def run(model):
        encoder, decoder = model.encoder, model.decoder
        variables = encoder.trainable_variables + decoder.trainable_variables
        losses = []
        for _ in range(2):
            total = 0.0
            for start in range(0, len(x), BATCH):
                xb = x[start : start + BATCH]
                yb = xb if y is None else y[start : start + BATCH]
                with tf.GradientTape() as tape:
                    z = encoder(xb)
                    kl = 0.5 * tf.reduce_sum(z**2 + np.log(2 * np.pi), 1)
                    nll = 0.5 * tf.reduce_sum((yb - decoder(z)) ** 2 + np.log(2 * np.pi), 1)
                    loss = tf.reduce_mean(nll + kl)
                for variable, gradient in zip(
                    variables, tape.gradient(loss, variables), strict=True
                ):
                    variable.assign_sub(0.05 * gradient)
                total += float(loss) * len(xb)
            losses.append(total / len(x))
        return losses, [variable.numpy() for variable in variables]

    return run


@pytest.mark.parametrize("denoising", [False, True], ids=["x", "x, y"])
@pytest.mark.parametrize(
    "give", [as_arrays, as_tf_data, as_py_dataset, as_dictionary, as_list], ids=lambda f: f.__name__
)
def test_every_kind_of_data_gives_the_training_written_by_hand(build, data, give, denoising):
    y = data[::-1].copy() if denoising else None
    arguments, keywords = give(data, y)
    model = build()
    # Half of them in a graph, which takes a second to trace.
    history, _ = train(model, *arguments, run_eagerly=denoising, **keywords)
    losses, weights = by_hand(data, y)(build())
    # Float32 sums in another order: a few units in the last of 7 digits, over 6 steps.
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-5)
    for ours, theirs in zip(model.trainable_variables, weights, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-4, atol=1e-6)


def test_denoising_differs_from_reconstructing(build, data):
    plain, _ = train(build(), data)
    denoised, _ = train(build(), data, data + 1.0)
    assert abs(plain["loss"][0] - denoised["loss"][0]) > 0.1


@pytest.mark.parametrize(
    "give",
    [
        lambda x, c: ({"x": x, "condition": c}, None),
        lambda x, c: (tf.data.Dataset.from_tensor_slices({"x": x, "condition": c}).batch(6), None),
        lambda x, c: ({"x": x, "condition": c}, x),
    ],
    ids=["dictionary", "tf.data", "with y"],
)
def test_a_condition_reaches_encoder_and_decoder(build, data, give):
    condition = np.random.default_rng(1).normal(size=(12, 3)).astype("float32")
    inputs, y = give(data, condition)
    model = build(condition=3)
    kernels = [network.layers[-2].kernel for network in (model.encoder, model.decoder)]
    before = [kernel.numpy() for kernel in kernels]
    train(model, *((inputs,) if y is None else (inputs, y)))
    for kernel, old in zip(kernels, before, strict=True):
        # The rows of the condition are the last three of the first kernel.
        assert (kernel.numpy()[-3:] != old[-3:]).all()


def test_validation_data_and_validation_split_are_the_held_out_loss(build, data):
    model = build()
    model.compile(optimizer=keras.optimizers.SGD(0.05), run_eagerly=True)
    split = model.fit(data, validation_split=0.25, verbose=0, shuffle=False).history
    expected = model.evaluate(data[9:], verbose=0, return_dict=True)
    for name, value in expected.items():
        np.testing.assert_allclose(split[f"val_{name}"], [value], rtol=1e-6)
    model = build()
    model.compile(optimizer=keras.optimizers.SGD(0.05), run_eagerly=True)
    given = model.fit(data[:9], validation_data=(data[9:], data[9:]), verbose=0, shuffle=False)
    assert given.history.keys() == split.keys()
    for name, value in split.items():
        np.testing.assert_allclose(given.history[name], value, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["int32", "uint8", "float64", "float16", "bool"])
def test_the_dtype_of_the_data_does_not_matter(build, dtype):
    numbers = np.random.default_rng(0).integers(0, 2, size=(12, 4))
    expected, _ = train(build(likelihood=families.Bernoulli(4)), numbers.astype("float32"))
    received, _ = train(build(likelihood=families.Bernoulli(4)), numbers.astype(dtype))
    np.testing.assert_allclose(received["loss"], expected["loss"], rtol=1e-6)


def test_embeddings_of_integer_data(data):
    encoder = keras.Sequential(
        [
            keras.Input((3,), dtype="int32"),
            keras.layers.Embedding(10, 4),
            keras.layers.Flatten(),
            keras.layers.Dense(4),
        ]
    )
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    model = VAEModel(encoder, decoder, seed=1)
    model.compile(optimizer="adam")
    table = encoder.layers[0].embeddings
    before = table.numpy()
    indices = np.array([[0, 1, 2], [3, 4, 5]] * 4)
    history = model.fit(indices, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert history.history["skipped_steps"] == [0]
    # A sparse gradient: rows that no example has stay as they were.
    changed = (table.numpy() != before).any(axis=1)
    np.testing.assert_array_equal(changed, np.arange(10) < 6)


def test_images(data):
    encoder = keras.Sequential(
        [keras.Input((6, 6, 1)), keras.layers.Conv2D(2, 3), keras.layers.Flatten()]
        + [keras.layers.Dense(4)]
    )
    decoder = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(36), keras.layers.Reshape((6, 6, 1))]
    )
    model = VAEModel(encoder, decoder, likelihood="bernoulli", seed=1)
    model.compile(optimizer="adam", run_eagerly=True)
    x = np.random.default_rng(0).uniform(size=(8, 6, 6, 1))
    history = model.fit(x, verbose=0).history
    assert model.likelihood.event_shape == (6, 6, 1)
    # 36 pixels of about log 2 nats each: a sum over the pixels, not a mean.
    assert 36 * 0.5 < history["reconstruction_loss"][0] < 36 * 1.5


def test_batch_of_one(build, data):
    model = build(posterior=families.MultivariateNormalDiag(2))
    history, _ = train(model, data[:1])
    assert np.isfinite(history["loss"]).all()
    assert model.predict(data[:1], verbose=0).shape == (1, 4)


def test_no_example_at_all_is_told_by_keras(build):
    model = build()
    model.compile()
    with pytest.warns(UserWarning, match="ran out of data"):
        history = model.fit(np.zeros((0, 4), "float32"), verbose=0).history
    assert history.get("loss", []) == []


def test_an_empty_batch_is_a_skipped_step(build, data, values):
    model = build()
    model.compile(optimizer="adam", run_eagerly=True)
    model.train_on_batch(data)
    variables = [*model.trainable_variables, *model.optimizer.variables]
    before = values(variables)
    # Older versions of Keras go on with the metrics of the batch before.
    model.reset_metrics()
    logs = model.train_on_batch(np.zeros((0, 4), "float32"), return_dict=True)
    for path, value in values(variables).items():
        np.testing.assert_array_equal(value, before[path])
    assert logs["skipped_steps"] == 1
    assert np.isnan(logs["loss"])


def test_missing_condition_is_told(build, data):
    model = build(condition=3)
    model.compile(run_eagerly=True)
    with pytest.raises(ValueError, match="input"):
        model.fit(data, verbose=0)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"data": np.zeros((2, 4))}, r"Received: inputs with the keys \['data'\]"),
        ({"x": np.zeros((2, 4)), "c": np.zeros((2, 4))}, r"the keys \['c', 'x'\]"),
        ([np.zeros((2, 4)), np.zeros((2, 4))], "Received: inputs=a list of 2|tuple of 2"),
    ],
    ids=["key", "further key", "list"],
)
def test_inputs_of_another_structure_are_told(build, inputs, message):
    model = build()
    model.compile(run_eagerly=True)
    with pytest.raises(ValueError, match=message):
        model.fit(inputs, verbose=0)


def test_conditional_prior_has_the_condition(build, data):
    class Shifted(priors.Prior):
        def distribution(self, *, encode=None, condition=None):
            loc = tf.reduce_sum(condition, axis=1, keepdims=True) * tf.ones((1, 2))
            return families.MultivariateNormalDiag(2)([loc, tf.zeros_like(loc)])

    model = build(condition=3, prior=Shifted(), posterior=families.MultivariateNormalDiag(2))
    model.compile(run_eagerly=True)
    condition = np.ones((12, 3), "float32")
    history = model.fit({"x": data, "condition": condition}, verbose=0)
    # The prior's mean is 3 in both latents, so the posterior near 0 is about 9 nats away.
    assert 5.0 < history.history["kl_divergence"][0] < 13.0
    assert model.sample(12, condition=condition).shape == (12, 4)
