"""Sequences: a VAE whose decoder is a recurrent network, and how its latents stay in use.

    python examples/sequences.py                  # needs pip install "keras-vae[examples]"

The data are the names of numbers, "two thousand three hundred forty one". The decoder sees the
words before the next one, and guesses so much from them that it ignores its latents. To drop most
of what it sees does not help here; nats that cost nothing (free bits) do: the latents then tell
which number it is. The price is a higher loss than that of writing just any number, log 9999 = 9.2.
Writes `sequences/sequences.png`: what the latents are good for, and ways from number to number.
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

LATENTS, LENGTH, UNITS, NUM_TRAIN, NUM_TEST = 8, 7, 64, 8999, 1000
WORDS = ". one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
WORDS += "fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy "
WORDS = (WORDS + "eighty ninety hundred thousand ?").split(" ")
# The share of the words that the decoder does not see, and the nats that cost nothing.
SETTINGS = {"plain": (0.0, 0.0), "words dropped": (0.75, 0.0), "free bits": (0.0, 12.0)}
MEASURED = "nats in\nthe latents", "% of new\nnumbers rebuilt", "different numbers\nin 1000 draws"
POSTERIOR = families.MultivariateNormalDiag(LATENTS)
SENTENCE = families.Categorical(LENGTH, num_classes=len(WORDS))


def name(number):
    """Returns the words of a number below a million."""
    for size, word in ((1000, "thousand"), (100, "hundred")):
        if number >= size:
            return [*name(number // size), word, *name(number % size)]
    tens = [WORDS[number // 10 + 18]] if number >= 20 else []
    number = number % 10 if tens else number
    return tens + ([WORDS[number]] if number else [])


def build(dropped, free_nats):
    """Returns the VAE, its encoder and its decoder; the decoder sees all words but the next."""
    words = keras.Input((LENGTH,))
    embedded = layers.Flatten()(layers.Embedding(len(WORDS), 32)(words))
    params = layers.Dense(POSTERIOR.params_size)(layers.Dense(4 * UNITS, "relu")(embedded))
    params = KLDivergenceRegularizer(POSTERIOR, free_nats=free_nats, name="latents")(params)
    z, seen = keras.Input((LATENTS,)), keras.Input((LENGTH,))
    before = ops.pad(seen[:, :-1], ((0, 0), (1, 0)))
    kept = layers.Dropout(dropped)(ops.ones_like(before)) > 0
    told = layers.Embedding(len(WORDS), 32)(ops.where(kept, before, len(WORDS) - 1.0))
    told = layers.Concatenate()([told, layers.RepeatVector(LENGTH)(z)])
    hidden = layers.GRU(UNITS, return_sequences=True)(told)
    decoder = keras.Model([z, seen], layers.Flatten()(layers.Dense(len(WORDS))(hidden)))
    vae = keras.Model(words, decoder([Sampling(POSTERIOR)(params), words]))
    return vae, keras.Model(words, params), decoder


def text(codes):
    return " ".join(WORDS[int(code)] for code in codes).split(" .")[0]


def write(decoder, z):
    """Returns the sentences of the latents, each word the likeliest after those before it."""
    words = np.zeros((len(z), LENGTH), "float32")
    for i in range(LENGTH):
        words[:, i] = SENTENCE.point_estimate(decoder([z, words]))[:, i]
    return [text(row) for row in words]


def draw(path, results, walks):
    figure = Figure(figsize=(13, 3.6), layout="constrained")
    *axes, right = figure.subplots(1, 4, width_ratios=(1, 1, 1, 3))
    titles = [title.replace(" ", "\n") for title in results]
    for axis, measured, *values in zip(axes, MEASURED, *results.values(), strict=True):
        axis.bar_label(axis.bar(titles, values, color=("C7", "C1", "C0")), fmt="%.0f")
        axis.set_title(measured, fontsize=10)
        axis.margins(y=0.1)
    right.set_axis_off()
    right.set_title("With free bits, from one new number (grey) to another", fontsize=10)
    for (column, row), sentence in np.ndenumerate(walks):
        color = "grey" if row in (0, 7) else "black"
        right.text(0.53 * column, 0.93 - 0.13 * row, sentence, fontsize=9, color=color)
    figure.savefig(path, dpi=80)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("sequences"))
    options = parser.parse_args(arguments)
    numbers = [name(number) for number in np.random.default_rng(0).permutation(9999) + 1]
    rows = [[*map(WORDS.index, words), *[0] * LENGTH][:LENGTH] for words in numbers]
    train, test = np.float32(rows[:NUM_TRAIN]), np.float32(rows[-NUM_TEST:])
    names, results, shares = set(map(text, rows)), {}, np.linspace(0, 1, 6)[:, None]
    for title, (dropped, free_nats) in SETTINGS.items():
        keras.utils.set_random_seed(1)
        vae, encoder, decoder = build(dropped, free_nats)
        vae.compile(keras.optimizers.Adam(2e-3), losses.NegativeLogLikelihood(SENTENCE))
        vae.fit(train, train, epochs=options.epochs, batch_size=128, verbose=0)
        logs = vae.evaluate(test, test, verbose=0, return_dict=True)
        code, truth = POSTERIOR(encoder(test)).mean().numpy(), list(map(text, test))
        rebuilt = 100 * np.mean(np.equal(write(decoder, code), truth))
        drawn = write(decoder, np.random.default_rng(1).normal(size=(1000, LATENTS)))
        results[title] = logs["latents_kl_divergence"], rebuilt, len(names.intersection(drawn))
        line = "{}: loss {:.1f}, {:.1f} nats in the latents, {:.1f} % rebuilt, {} numbers drawn"
        print(line.format(title, logs["loss"], *results[title]))
        ways = [write(decoder, code[i] + shares * (code[i + 1] - code[i])) for i in (0, 2)]
    walks = [[truth[2 * i], *way, truth[2 * i + 1]] for i, way in enumerate(ways)]
    options.output.mkdir(parents=True, exist_ok=True)
    draw(options.output / "sequences.png", results, walks)
    print(f"written to {options.output}/")


if __name__ == "__main__":
    main()
