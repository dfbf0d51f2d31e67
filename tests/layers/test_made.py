"""`layers.MADE`: no output sees its own entry or a later one."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae.layers import MADE


def jacobian(layer, x, context=None):
    """Returns which outputs depend on which entries, `(num_outputs, d, d)`, and on the context."""
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([x] if context is None else [x, context])
        outputs = layer(x) if context is None else layer(x, context=context)
    size = x.shape[-1]

    def depends(inputs):
        entries = tf.abs(tape.batch_jacobian(outputs, inputs))
        return np.any(entries.numpy() > 0, axis=0).reshape(-1, size, inputs.shape[-1])

    return depends(x), None if context is None else depends(context)


def points(*shape, seed=1):
    return tf.constant(np.random.default_rng(seed).normal(size=shape))


def random_layer(seed=3, size=5, context=None, **arguments):
    layer = MADE(activation="tanh", dtype="float64", **arguments)
    layer.build((None, size), context)
    rng = np.random.default_rng(seed)
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape))
    return layer


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("context", [None, (None, 3)])
@pytest.mark.parametrize("hidden_units", [(), (16,), (16, 7, 16)], ids=str)
def test_outputs_depend_on_all_earlier_entries_and_on_no_other(hidden_units, context, reverse):
    layer = random_layer(context=context, num_outputs=2, hidden_units=hidden_units, reverse=reverse)
    by_entry, by_context = jacobian(layer, points(20, 5), context and points(20, 3, seed=2))
    earlier = np.tril(np.ones((5, 5), bool), -1)
    for received in by_entry:
        np.testing.assert_array_equal(received, earlier.T if reverse else earlier)
    if context:
        assert by_context.all()


@pytest.mark.parametrize("units", [1, 2, 3])
def test_too_few_hidden_units_cut_paths_and_open_none(units):
    by_entry, _ = jacobian(random_layer(hidden_units=(units,), size=8), points(20, 8))
    assert not np.any(np.triu(by_entry[0]))
    assert np.any(by_entry)


@pytest.mark.parametrize("context", [None, (None, 2)])
def test_a_single_entry_sees_the_context_alone(context):
    layer = random_layer(size=1, context=context, hidden_units=(4,))
    by_entry, by_context = jacobian(layer, points(6, 1), context and points(6, 2))
    assert not by_entry.any()
    assert context is None or by_context.all()


def test_it_is_a_density_of_binary_vectors():
    """The factors that it gives are a distribution: the probabilities of all vectors sum to 1."""
    x = np.stack(np.meshgrid(*[[0.0, 1.0]] * 5, indexing="ij"), -1).reshape(-1, 5)
    logits = random_layer(hidden_units=(9, 9))(x).numpy()
    log_prob = -np.sum(np.logaddexp(0.0, (1 - 2 * x) * logits), axis=-1)
    np.testing.assert_allclose(np.exp(log_prob).sum(), 1.0, rtol=1e-12)
    assert np.std(log_prob) > 0.1


def test_the_context_of_an_example_goes_to_all_of_its_samples():
    layer = random_layer(context=(None, 3), hidden_units=(8,))
    x, context = points(4, 6, 5), points(6, 3)
    outputs = layer(x, context=context)
    assert outputs.shape == (4, 6, 5)
    for sample in range(4):
        expected = layer(x[sample], context=context)
        np.testing.assert_allclose(outputs[sample], expected, rtol=1e-12)
    changed = layer(x, context=tf.concat([context[:1] + 1.0, context[1:]], 0))
    np.testing.assert_array_equal(np.any(changed != outputs, axis=(0, 2)), [1, 0, 0, 0, 0, 0])


def test_in_a_functional_model_that_is_saved(tmp_path):
    x, condition = keras.Input((4,)), keras.Input((3,))
    outputs = MADE(2, hidden_units=(8,))(x, context=condition)
    assert outputs.shape == (None, 8)
    model = keras.Model([x, condition], outputs)
    data = [np.ones((5, 4), "float32"), np.ones((5, 3), "float32")]
    model.compile("sgd", "mse")
    model.fit(data, np.zeros((5, 8)), verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(data), model(data))


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"num_outputs": 0}, ValueError, "num_outputs=0"),
        ({"num_outputs": 1.0}, TypeError, "num_outputs=1.0"),
        ({"hidden_units": 8}, TypeError, "hidden_units=8"),
        ({"hidden_units": (8, 0)}, ValueError, "hidden_units=0"),
    ],
)
def test_errors(arguments, error, text):
    with pytest.raises(error, match=rf"MADE expects .* Received: {text}"):
        MADE(**arguments)
