"""What every layer keeps to. A new layer is a row of `ROWS`."""

import dataclasses
import inspect
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import families, layers, priors


@dataclasses.dataclass(frozen=True)
class Row:
    """A layer with all of its arguments set, and whether its output depends on chance.

    `refuses` is what it says of parameters of a wrong shape.
    """

    layer: type
    arguments: dict
    random: bool
    refuses: str = r"expects params of shape .* Received: params of shape"

    def make(self, **kwargs):
        return self.layer(**self.arguments, **kwargs)


ROWS = {
    "sampling": Row(
        layers.Sampling, {"family": families.MultivariateNormalDiag((2, 3)), "seed": 3}, True
    ),
    "kl_divergence_regularizer": Row(
        layers.KLDivergenceRegularizer,
        {
            "family": families.MultivariateNormalDiag((2, 3)),
            "prior": priors.StandardNormal((2, 3)),
            "weight": 2.0,
            "free_nats": 0.5,
            "method": "exact",
            "seed": 3,
        },
        False,
    ),
    "vector_quantizer": Row(
        layers.VectorQuantizer,
        {
            "num_codes": 7,
            "codebook": "loss",
            "commitment_cost": 0.5,
            "decay": 0.9,
            "restart_after": 2,
            "seed": 3,
        },
        False,
        r"expects inputs of shape \(B, ..., 6\), .* Received: inputs of shape",
    ),
    "made": Row(
        layers.MADE,
        {
            "num_outputs": 2,
            "hidden_units": (8,),
            "activation": keras.activations.relu,
            "reverse": True,
            "output_initializer": keras.initializers.RandomNormal(stddev=0.5),
        },
        False,
        r"expects inputs of shape \(..., 6\), .* Received: inputs of shape",
    ),
}
every_row = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
SHAPE = (2, 6)


@pytest.fixture
def restore_policy():
    yield
    keras.config.set_dtype_policy("float32")


def test_no_layer_is_missing():
    public = {getattr(layers, name) for name in layers.__all__}
    assert {row.layer for row in ROWS.values()} == public
    assert all(issubclass(layer, keras.layers.Layer) for layer in public)


@every_row
def test_the_table_sets_every_argument(row):
    names = set(inspect.signature(row.layer).parameters) - {"kwargs"}
    assert set(row.arguments) == names


@every_row
def test_config_round_trip(row):
    layer = row.make(name="part")
    saved = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
    assert saved["registered_name"] == f"keras_vae>{row.layer.__name__}"
    again = keras.saving.deserialize_keras_object(saved)
    assert again.name == "part"
    assert again.get_config() == layer.get_config()
    for name, value in row.arguments.items():
        if isinstance(value, (str, float, int)):
            assert getattr(again, name) == value
        else:
            assert type(getattr(again, name)) is type(value)


@every_row
def test_defaults_round_trip(row):
    parameters = inspect.signature(row.layer).parameters.values()
    required = [p.name for p in parameters if p.default is p.empty and p.name != "kwargs"]
    layer = row.layer(**{name: row.arguments[name] for name in required})
    again = row.layer.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


@every_row
@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16", "float64"])
@pytest.mark.usefixtures("restore_policy")
def test_symbolic_output_is_the_eager_one(row, policy):
    keras.config.set_dtype_policy(policy)
    layer = row.make()
    inputs = keras.layers.Identity()(keras.Input(SHAPE))
    symbolic = layer(inputs)
    eager = layer(tf.zeros((5, *SHAPE), inputs.dtype))
    assert symbolic.shape == (None, *eager.shape[1:])
    assert symbolic.dtype == eager.dtype


@every_row
def test_keras_file_gives_the_same_model(row, tmp_path):
    inputs = keras.Input(SHAPE)
    model = keras.Model(inputs, row.make()(keras.layers.Dense(6)(inputs)))
    x = np.random.default_rng(1).normal(size=(5, *SHAPE)).astype("float32")
    model(x)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    expected = model(x)
    np.testing.assert_array_equal(again(x), expected)
    assert np.all(model(x) != expected) == row.random
    np.testing.assert_array_equal(again.losses, model.losses)


# XLA is given a graph, so that the other way is in it.
@every_row
@pytest.mark.parametrize("jit_compile", [pytest.param(False, marks=pytest.mark.stress), True])
def test_compiled_model_trains(row, jit_compile):
    inputs = keras.Input(SHAPE)
    outputs = row.make()(keras.layers.Dense(6)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Flatten()(outputs)))
    model.compile("sgd", "mse", jit_compile=jit_compile)
    before = model.layers[1].kernel.numpy()
    history = model.fit(np.ones((6, *SHAPE)), np.ones((6, 1)), batch_size=4, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert np.any(model.layers[1].kernel != before)


@every_row
def test_params_of_a_wrong_shape(row):
    layer = row.make()
    layer(np.zeros((5, *SHAPE), "float32"))
    with pytest.raises(ValueError, match=row.refuses):
        layer(np.zeros((5, 2, 7), "float32"))
