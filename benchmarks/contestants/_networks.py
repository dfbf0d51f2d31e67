"""The three networks in Keras: 3 for keras_vae, 2 (tf_keras) for the layers of TFP."""

from _serve import MODELS


def networks(name, keras):
    """Returns the encoder, to [mean, log-variance], and the decoder, to logits or means."""
    make = _convolutions if name == "conv" else _dense
    before, after = make(MODELS[name], keras.layers)
    latents, inputs = MODELS[name]["latents"], MODELS[name]["inputs"]
    inputs = inputs if isinstance(inputs, tuple) else (inputs,)
    encoder = [keras.layers.InputLayer(inputs), *before, keras.layers.Dense(2 * latents)]
    decoder = [keras.layers.InputLayer((latents,)), *after]
    return keras.Sequential(encoder), keras.Sequential(decoder)


def _dense(model, layers):
    before = [layers.Dense(units, activation="relu") for units in model["hidden"]]
    after = [layers.Dense(units, activation="relu") for units in reversed(model["hidden"])]
    return before, [*after, layers.Dense(model["inputs"])]


def _convolutions(model, layers):
    del model
    kwargs = {"strides": 2, "padding": "same", "activation": "relu"}
    before = [layers.Conv2D(32, 3, **kwargs), layers.Conv2D(64, 3, **kwargs), layers.Flatten()]
    after = [
        layers.Dense(7 * 7 * 64, activation="relu"),
        layers.Reshape((7, 7, 64)),
        layers.Conv2DTranspose(32, 3, **kwargs),
        layers.Conv2DTranspose(1, 3, strides=2, padding="same"),
    ]
    return before, after
