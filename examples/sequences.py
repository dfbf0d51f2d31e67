"""Sequences: a VAE whose decoder is a recurrent network, and how its latents stay in use.

    python examples/sequences.py                  # needs pip install "keras-vae[examples]"

The data are the names of numbers, "two thousand three hundred forty one". The decoder sees the
words before the next one, and may guess so much from them that it ignores its latents. Remedies:
words that the decoder sees are dropped, and some nats cost nothing (free bits). Writes
`sequences/sequences.png`: what the latents carry, and numbers on the way from one to another.
"""

import argparse
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from keras import layers, ops
from matplotlib.figure import Figure

from keras_vae import KLDivergenceRegularizer, Sampling, families, losses

LATENTS, LENGTH, UNITS, FREE_NATS = 8, 8, 96, 6.0
WORDS = (
    ". one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety "
    "hundred thousand ?"
)
WORDS = WORDS.split(" ")
POSTERIOR = families.MultivariateNormalDiag(LATENTS)
SENTENCE = families.Categorical(LENGTH, num_classes=len(WORDS))


def name(number):
    """Returns the words of a number below a million."""
    for size, word in ((1000, "thousand"), (100, "hundred")):
        if number >= size:
            return [*name(number // size), word, *name(number % size)]
    if number >= 20:
        return [WORDS[number // 10 + 18], *name(number % 10)]
    return [WORDS[number]] if number else []


def encode(sentences):
    """Returns the numbers of the words, (N, LENGTH), and full stops behind them."""
    rows = [[*map(WORDS.index, words), *[0] * LENGTH][:LENGTH] for words in sentences]
    return np.array(rows, "float32")


def text(codes):
    return " ".join(WORDS[int(code)] for code in codes).split(" .")[0]


def build(dropped, free_nats):
    """Returns the VAE, its encoder and its decoder; the decoder sees all words but the next."""
    words = keras.Input((LENGTH,))
    embedded = layers.Embedding(len(WORDS), 32)(words)
    hidden = layers.Bidirectional(layers.GRU(UNITS))(embedded)
    params = layers.Dense(POSTERIOR.params_size)(hidden)
    params = KLDivergenceRegularizer(POSTERIOR, free_nats=free_nats, name="latents")(params)
    encoder = keras.Model(words, params)
    z, seen = keras.Input((LATENTS,)), keras.Input((LENGTH,))
    before = ops.pad(seen[:, :-1], ((0, 0), (1, 0)))
    kept = layers.Dropout(dropped)(ops.ones_like(before)) > 0
    before = ops.where(kept, before, len(WORDS) - 1.0)
    told = layers.Embedding(len(WORDS), 32)(before)
    told = layers.Concatenate()([told, layers.RepeatVector(LENGTH)(z)])
    hidden = layers.GRU(UNITS, return_sequences=True)(told)
    logits = layers.Flatten()(layers.Dense(len(WORDS))(hidden))
    decoder = keras.Model([z, seen], logits)
    return keras.Model(words, decoder([Sampling(POSTERIOR)(params), words])), encoder, decoder


def write(decoder, z):
    words = np.zeros((len(z), LENGTH), "float32")
    for i in range(LENGTH):
        words[:, i] = SENTENCE.point_estimate(decoder([z, words]))[:, i]
    return [text(row) for row in words]


def draw(path, nats, walks):
    figure = Figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 2.6))
    left.bar_label(left.bar(list(nats), list(nats.values()), color=("C7", "C0")), fmt="%.1f")
    left.set(title="What the latents carry", ylabel="nats: KL(q(z|x) || p(z))")
    right.set_axis_off()
    right.set_title("On a line between the latents of two numbers that it has not seen")
    for column, walk in enumerate(walks):
        for row, sentence in enumerate(walk):
            right.text(0.5 * column, 0.9 - 0.16 * row, sentence, fontsize=9)
    figure.savefig(path, dpi=80)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("sequences"))
    options = parser.parse_args(arguments)
    numbers = np.random.default_rng(0).permutation(np.arange(1, 10_000))
    train, test = (encode(map(name, part)) for part in (numbers[:-1000], numbers[-1000:]))
    nats = {}
    for title, *settings in (("plain", 0.0, 0.0), ("dropped words,\nfree bits", 0.4, FREE_NATS)):
        keras.utils.set_random_seed(1)
        vae, encoder, decoder = build(*settings)
        vae.compile(keras.optimizers.Adam(2e-3), losses.NegativeLogLikelihood(SENTENCE))
        vae.fit(train, train, epochs=options.epochs, batch_size=128, verbose=0)
        result = vae.evaluate(test, test, verbose=0, return_dict=True)
        nats[title] = result["latents_kl_divergence"]
        print(f"{title!r}: {nats[title]:.1f} nats in the latents")
    mean = POSTERIOR(encoder(test[:4])).mean().numpy()
    shares = np.linspace(0, 1, 6)[:, None]
    walks = [write(decoder, (1 - shares) * mean[i] + shares * mean[i + 1]) for i in (0, 2)]
    options.output.mkdir(parents=True, exist_ok=True)
    draw(options.output / "sequences.png", nats, walks)
    print(f"written to {options.output}/")


if __name__ == "__main__":
    main()
