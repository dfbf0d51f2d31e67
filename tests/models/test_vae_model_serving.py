"""An exported model at work: in many threads and on small devices."""

import concurrent.futures

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import VAEModel, families

THREADS = 8


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Returns a folder with a SavedModel, and the loaded model."""
    keras.utils.set_random_seed(1)
    encoder = [keras.Input((4,)), keras.layers.Dense(5, "tanh"), keras.layers.Dense(4)]
    decoder = [keras.Input((2,)), keras.layers.Dense(5, "tanh"), keras.layers.Dense(4)]
    likelihood = families.Bernoulli(4)
    model = VAEModel(keras.Sequential(encoder), keras.Sequential(decoder), likelihood=likelihood)
    folder = tmp_path_factory.mktemp("served") / "model"
    model.export(folder)
    return str(folder), tf.saved_model.load(str(folder))


def resident_bytes():
    """Memory that this process holds."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def test_threads_with_batches_of_different_sizes(served, pytestconfig):
    calls = 10_000 if pytestconfig.getoption("--stress", default=False) else 400
    reconstruct = served[1].signatures["serving_default"]
    x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
    expected = reconstruct(x=tf.constant(x))["reconstruction"].numpy()

    def answer(call):
        random = np.random.default_rng(call)
        begin, size = random.integers(0, 32), random.integers(1, 33)
        part = slice(begin, begin + size)
        result = reconstruct(x=tf.constant(x[part]))["reconstruction"].numpy()
        # Batches of another size may be summed in another order: some roundings of float32.
        np.testing.assert_allclose(result, expected[part], rtol=1e-5, atol=1e-6)
        return size

    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        assert len(set(pool.map(answer, range(200)))) == 32
        before = resident_bytes()
        # Two hundred at a time: what waits for its turn takes memory as well.
        for begin in range(0, calls, 200):
            list(pool.map(answer, range(begin, begin + 200)))
        # What allocators keep is some hundred KiB; a trace at each call would be 40 MiB and more.
        assert resident_bytes() - before < 8 * 2**20


# TensorFlow's word about the package that will have the interpreter one day.
@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")
@pytest.mark.parametrize(
    ("name", "size"), [("encode", 4), pytest.param("decode", 2, marks=pytest.mark.stress)]
)
def test_a_signature_runs_on_lite_rt(served, name, size):
    folder, loaded = served
    converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[name])
    runner = tf.lite.Interpreter(model_content=converter.convert()).get_signature_runner(name)
    signature = loaded.signatures[name]
    (argument,) = signature.structured_input_signature[1]
    for batch_size in (1, 5):
        x = np.random.default_rng(0).normal(size=(batch_size, size)).astype("float32")
        result, expected = runner(**{argument: x}), signature(**{argument: tf.constant(x)})
        assert result.keys() == expected.keys()
        for key in expected:
            np.testing.assert_allclose(result[key], expected[key], rtol=0, atol=1e-4)
