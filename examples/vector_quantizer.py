"""Digits as maps of discrete codes: a VQ-VAE, and new digits from a prior over its codes.

    python examples/vector_quantizer.py           # needs pip install "keras-vae[examples]"

`VectorQuantizer` replaces each of the 4 x 4 vectors of an encoded digit by one of 32 codes. There
is no prior while it trains: afterwards a small recurrent network learns which codes come
together. Writes `vector_quantizer/vector_quantizer.png`; prints how many codes are used, in
effect, and the nats a code map costs under this prior and with each code on its own.
"""

import argparse
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from keras import layers
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

from keras_vae.families import Normal
from keras_vae.layers import VectorQuantizer
from keras_vae.losses import NegativeLogLikelihood

NUM_CODES, POSITIONS = 32, 16


def build_models():
    """Returns encoder, quantizer, decoder and all three in one."""
    conv = {"kernel_size": 3, "padding": "same", "activation": "relu"}
    encoder = [layers.Conv2D(64, **conv), layers.Conv2D(64, strides=2, **conv), layers.Conv2D(8, 1)]
    encoder = keras.Sequential([keras.Input((8, 8, 1)), *encoder])
    decoder = [layers.Conv2D(64, **conv), layers.Conv2DTranspose(64, strides=2, **conv)]
    decoder = keras.Sequential([*decoder, layers.Conv2D(1, 3, padding="same")])
    quantizer = VectorQuantizer(NUM_CODES, restart_after=50, seed=1)
    x = keras.Input((8, 8, 1))
    return encoder, quantizer, decoder, keras.Model(x, decoder(quantizer(encoder(x))))


def shifted(codes):
    """Returns what is known before each code: the one before it, a mark before the first."""
    return np.pad(codes[:, :-1] + 1, ((0, 0), (1, 0)))


def train_prior(codes, epochs):
    """Returns a model from the codes before each position to the logits of the one there."""
    hidden = [layers.Embedding(NUM_CODES + 1, 64), layers.GRU(128, return_sequences=True)]
    prior = keras.Sequential([*hidden, layers.Dropout(0.3), layers.Dense(NUM_CODES)])
    prior.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    prior.fit(shifted(codes), codes, epochs=epochs, batch_size=64, verbose=0)
    return prior


def draw_codes(prior, number, rng):
    """Returns code maps, drawn one position after the other."""
    codes = np.zeros((number, POSITIONS), "int32")
    for i in range(POSITIONS):
        logits = prior.predict(shifted(codes), verbose=0)[:, i]
        codes[:, i] = np.argmax(logits + rng.gumbel(size=logits.shape), axis=-1)
    return codes


def draw(path, panels):
    """Draws images of 8 x 8 in rows of 16, with gaps between them."""
    figure = Figure(figsize=(8, 6), layout="constrained")
    axes = figure.subplots(len(panels), height_ratios=[len(part[1]) + 6 for part in panels])
    for axis, (title, images, cmap) in zip(axes, panels, strict=True):
        images = np.pad(images.astype("float32"), ((0, 0), (1, 1), (1, 1)), constant_values=np.nan)
        axis.imshow(np.vstack([np.hstack(row) for row in images.reshape(-1, 16, 10, 10)]), cmap)
        axis.set_title(title, fontsize=10)
        axis.set_axis_off()
    figure.savefig(path, dpi=90)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("vector_quantizer"))
    options = parser.parse_args(arguments)
    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(1)
    x = rng.permutation(load_digits().images[..., np.newaxis].astype("float32") / 16)
    train, test = x[:-300], x[-300:]

    encoder, quantizer, decoder, model = build_models()
    model.compile(keras.optimizers.Adam(2e-3), NegativeLogLikelihood(Normal((8, 8, 1), scale=0.1)))
    model.fit(train, train, epochs=options.epochs, batch_size=64, verbose=0)
    perplexity = model.evaluate(test, test, verbose=0, return_dict=True)["perplexity"]
    print(f"test perplexity        {perplexity:.1f} of {NUM_CODES} codes in use")
    codes, unseen = (np.reshape(quantizer.encode(encoder(x)), (-1, 16)) for x in (train, test))

    prior = train_prior(codes, options.epochs)
    counts = np.stack([np.bincount(column, minlength=NUM_CODES) for column in codes.T]) + 1
    alone = np.log(counts / counts.sum(axis=1, keepdims=True))
    nats = -POSITIONS * alone[np.arange(POSITIONS), unseen].mean()
    print(f"each code on its own   {nats:.1f} nats a code map of an unseen digit")
    loss = prior.evaluate(shifted(unseen), unseen, verbose=0)
    print(f"one after another      {POSITIONS * loss:.1f} nats")

    def decode(codes):
        return np.clip(decoder(quantizer.decode(codes.reshape(-1, 4, 4))), 0, 1)[..., 0]

    maps = np.kron(unseen[:16].reshape(-1, 4, 4), np.ones((1, 2, 2)))
    independent = np.argmax(alone + rng.gumbel(size=(32, *alone.shape)), axis=-1)
    panels = [
        ("unseen digits", test[:16, ..., 0], "gray"),
        ("their code maps: each colour is one of 32 codes", maps, "nipy_spectral"),
        ("decoded from the code maps", decode(unseen[:16]), "gray"),
        ("new: codes drawn one after another", decode(draw_codes(prior, 32, rng)), "gray"),
        ("new: each code drawn on its own", decode(independent), "gray"),
    ]
    options.output.mkdir(parents=True, exist_ok=True)
    draw(options.output / "vector_quantizer.png", panels)
    print(f"written to             {options.output}/")


if __name__ == "__main__":
    main()
