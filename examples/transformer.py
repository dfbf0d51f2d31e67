"""A VAE where PCA stood: the same scikit-learn pipeline, another step.

    python examples/transformer.py                # needs pip install "keras-vae[examples]"

`keras_vae.sklearn.VAETransformer` has the interface of `sklearn.decomposition.PCA`, so that it goes
into pipelines, grid searches and cross-validation. Digits are compressed to a few numbers by one
or the other, and a nearest-neighbour classifier is given these numbers alone. A plane through the
data (PCA) has no room for ten digits; a curved surface (VAE) has more. Writes
`transformer/transformer.png`: both maps of unseen digits, and the accuracy by number of latents.
"""

import argparse
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from keras_vae.sklearn import VAETransformer

SIZES = (1, 2, 3, 4, 6)


def steps(epochs):
    """Returns what makes each kind of compression from the number of its components."""
    return {
        "PCA": lambda size: PCA(size, random_state=0),
        "VAE": lambda size: VAETransformer(
            size, hidden_units=(256,), likelihood="bernoulli", epochs=epochs, random_state=0
        ),
    }


def draw_map(axis, codes, digits, title):
    for digit in range(10):
        axis.scatter(*codes[digits == digit].T, s=8, color=f"C{digit}", label=str(digit))
    axis.set(title=title, xlabel="component 0", ylabel="component 1")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("transformer"))
    options = parser.parse_args(arguments)
    x, digits = load_digits(return_X_y=True)
    split = train_test_split(x / 16, digits, test_size=600, random_state=0, stratify=digits)
    x_train, x_test, digits_train, digits_test = split
    figure = Figure(figsize=(12, 4.4), layout="constrained")
    *maps, right = figure.subplots(1, 3)
    for axis, (name, step) in zip(maps, steps(options.epochs).items(), strict=True):
        accuracies = []
        for size in SIZES:
            pipeline = make_pipeline(step(size), KNeighborsClassifier(10))
            pipeline.fit(x_train, digits_train)
            accuracies.append(pipeline.score(x_test, digits_test))
            if size == 2:
                codes = pipeline[0].transform(x_test)
                draw_map(axis, codes, digits_test, f"{name}: unseen digits in two numbers")
        table = ", ".join(f"{a:.2f} ({s})" for a, s in zip(accuracies, SIZES, strict=True))
        print(f"{name}: accuracy (components) {table}")
        right.plot(SIZES, accuracies, "o-", label=name)
    handles = maps[1].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower left", ncols=10, markerscale=2, fontsize=9)
    right.set(xlabel="components", ylabel="accuracy", ylim=(0, 1), xticks=SIZES)
    right.set_title("Unseen digits, classified")
    right.legend()
    options.output.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.output / "transformer.png", dpi=80)
    print(f"written to {options.output}/")


if __name__ == "__main__":
    main()
