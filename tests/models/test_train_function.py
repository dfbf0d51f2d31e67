"""How steps are run: in blocks that XLA compiles, in compiled parts, or by Keras itself."""

import gc
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import VAEModel
from keras_vae.models import _train_function, _update

BLOCKS = {"steps_per_execution": 3, "jit_compile": True}


@pytest.fixture(autouse=True)
def small_models_are_compiled_too(monkeypatch):
    monkeypatch.setattr(_update, "_LEAST_WEIGHTS", 1)


@pytest.fixture
def fit(build, data):
    def fit(x=None, batch_size=3, epochs=2, **compile_arguments):
        model = build()
        model.compile(keras.optimizers.SGD(0.1), **compile_arguments)
        batch_size = None if isinstance(x, tf.data.Dataset) else batch_size
        x = data if x is None else x
        logs = model.fit(x, batch_size=batch_size, epochs=epochs, shuffle=False, verbose=0)
        return model, logs.history

    return fit


def assert_same_training(one, other):
    for a, b in zip(one[0].get_weights(), other[0].get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert one[1].keys() == other[1].keys()
    for name, values in one[1].items():
        np.testing.assert_allclose(other[1][name], values, rtol=1e-5, err_msg=name)
    iterations = [int(model.optimizer.iterations.numpy()) for model, _ in (one, other)]
    assert iterations[0] == iterations[1] > 0


@pytest.mark.stress
@pytest.mark.parametrize("batch_size", [1, 2, 5, 7, 12])
def test_blocks_train_on_every_batch_whatever_its_size(fit, batch_size):
    # Of the twelve examples 12, 6, 3, 2 or 1 batches, some of them with a smaller one last.
    blocks = fit(batch_size=batch_size, **BLOCKS)
    assert_same_training(blocks, fit(batch_size=batch_size, jit_compile=False))
    assert int(blocks[0].optimizer.iterations.numpy()) == 2 * -(-12 // batch_size)


# Keras says so of any data without a length whose steps do not fill the executions.
@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_batches_of_different_sizes_keep_their_order(fit, data):
    sizes = [2, 2, 3, 2, 3]
    parts = np.split(data, np.cumsum(sizes)[:-1])
    batches = tf.data.Dataset.from_generator(
        lambda: iter(parts), output_signature=tf.TensorSpec((None, 4), tf.float32)
    )
    assert_same_training(fit(batches, **BLOCKS), fit(batches, jit_compile=False))


@pytest.mark.stress
def test_an_execution_longer_than_a_block_ends_with_the_data(fit):
    x = np.random.default_rng(1).normal(size=(80, 4)).astype("float32")
    # Blocks of 35 and 35 steps, then 10 steps of a third, then none of a fourth.
    long = fit(x, batch_size=1, steps_per_execution=70, jit_compile=True)
    assert_same_training(long, fit(x, batch_size=1, jit_compile=False))


def test_targets_and_weights_are_stacked_with_their_batch(build, data):
    histories = []
    for arguments in (BLOCKS, {"jit_compile": False}):
        model = build()
        model.compile(keras.optimizers.SGD(0.1), metrics=["mae"], **arguments)
        weights = np.linspace(0, 2, len(data))
        logs = model.fit(
            data, 2 * data, sample_weight=weights, batch_size=3, shuffle=False, verbose=0
        )
        histories.append(logs.history)
    assert "mae" in histories[0]
    for name, values in histories[1].items():
        np.testing.assert_allclose(histories[0][name], values, rtol=1e-5, err_msg=name)


def test_a_block_skips_only_the_steps_that_are_not_finite(fit, data):
    x = data.copy()
    x[4] = np.inf
    blocks = fit(x, **BLOCKS)
    assert blocks[1]["skipped_steps"] == [1.0, 1.0]
    assert_same_training(blocks, fit(x, jit_compile=False))


def test_the_step_of_a_subclass_keeps_its_own_logs(build, data):
    class Louder(VAEModel):
        def train_step(self, data):
            return {**super().train_step(data), "answer": tf.constant(42.0)}

    model = build()
    model = Louder(model.encoder, model.decoder, model.posterior, model.likelihood)
    model.compile(**BLOCKS)
    assert model.fit(data, batch_size=3, verbose=0).history["answer"] == [42.0]


def compiles_something(model, data):
    step = tf.function(model.train_step, autograph=False).get_concrete_function((data,))
    return "_XlaMustCompile" in str(step.graph.as_graph_def())


def test_parts_of_a_step_are_compiled_unless_the_user_says_no(build, data):
    model = build()
    model.compile()
    assert compiles_something(model, data)
    model.compile(jit_compile=False)
    assert not compiles_something(model, data)


def test_parts_of_a_small_model_are_not_worth_a_compiler(build, data, monkeypatch):
    model = build()
    model.compile()
    weights = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    monkeypatch.setattr(_update, "_LEAST_WEIGHTS", weights)
    assert compiles_something(model, data)
    monkeypatch.setattr(_update, "_LEAST_WEIGHTS", weights + 1)
    assert not compiles_something(model, data)


@pytest.mark.parametrize(
    "jit_compile", ["auto", *(pytest.param(v, marks=pytest.mark.stress) for v in (False, True))]
)
def test_a_loaded_model_compiles_what_the_saved_one_did(build, data, tmp_path, jit_compile):
    model = build()
    model.compile(jit_compile=jit_compile)
    model(data)
    model.optimizer.build(model.trainable_variables)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.get_compile_config()["jit_compile"] == jit_compile
    assert loaded.jit_compile == model.jit_compile
    assert compiles_something(loaded, data) == compiles_something(model, data)


def test_without_a_compiler_for_the_cpu_steps_run_as_they_are(build, data, fit, monkeypatch):
    def no_compiler(*args, **kwargs):
        def fail(*args):
            raise tf.errors.UnimplementedError(None, None, "no compiler")

        return fail

    _update._xla_works.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(tf, "function", no_compiler)
        assert not _update._xla_works()
    assert_same_training(fit(), fit(jit_compile=False))
    _update._xla_works.cache_clear()
    assert _update._xla_works()


def test_what_to_run_is_asked_once_for_each_iterator():
    asked, data = [], tf.data.Dataset.range(3)

    def choose(iterator):
        asked.append(iterator.element_spec)
        return next

    run = _train_function._asked_once(choose)
    first = iter(data)
    assert [int(run(first)) for _ in range(2)] == [0, 1]
    assert len(asked) == 1
    other = iter(data)
    assert [int(run(iterator)) for iterator in (other, first)] == [0, 2]
    assert len(asked) == 3
    # An iterator holds its data in memory, and a model may outlive them.
    gone = weakref.ref(first)
    del first
    gc.collect()
    assert gone() is None


def test_the_switch_that_makes_all_functions_eager_is_obeyed(build, data):
    model, eager = build(), []

    def step(data, train_step=model.train_step):
        eager.append(tf.executing_eagerly())
        return train_step(data)

    model.train_step = step
    model.compile("sgd")
    # Of arrays Keras makes such data by functions that the switch does not reach, as it warns.
    batches = tf.data.Dataset.from_tensor_slices(np.split(data, 2))
    tf.config.run_functions_eagerly(True)
    try:
        model.fit(batches, verbose=0)
    finally:
        tf.config.run_functions_eagerly(False)
    assert eager == [True, True]
    model.fit(batches, verbose=0)
    assert eager == [True, True, False]


def test_sparse_gradients_are_applied_uncompiled(data):
    # The gradient of an embedding names the rows that it belongs to.
    encoder = keras.Sequential(
        [
            keras.Input((3,), dtype="int32"),
            keras.layers.Embedding(7, 4),
            keras.layers.Flatten(),
            keras.layers.Dense(4),
        ]
    )
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    model = VAEModel(encoder, decoder, seed=1)
    model.compile(keras.optimizers.Adam(0.02))
    codes = np.random.default_rng(1).integers(0, 7, size=(12, 3))
    logs = model.fit(codes, codes.astype("float32"), epochs=20, verbose=0).history
    assert logs["loss"][-1] < logs["loss"][0]
    assert sum(logs["skipped_steps"]) == 0
