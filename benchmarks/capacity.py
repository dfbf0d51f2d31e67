"""Does the capacity hold the KL divergence, and what do the penalties disentangle?

On sprites of five known factors that the script renders. First the capacity objective
(Burgess et al., "Understanding disentangling in beta-VAE", 2018): the divergence of the trained
model against the C that was asked for. Then beta-VAE, beta-TCVAE, FactorVAE and DIP-VAE, three
seeds each, by the scores of `keras_vae.evaluation`.

    python benchmarks/capacity.py [--epochs 40]       # needs pip install "keras-vae[examples]"
"""

import argparse
import time

import keras
import numpy as np
from _models import mlp_decoder, mlp_encoder
from _results import RESULTS, save
from _sprites import SIZE, sprites

from keras_vae import VAEModel, evaluation
from keras_vae.objectives import DIP, ELBO, DensityRatio, Penalized, TotalCorrelation

NUM_LATENTS, BATCH_SIZE, SEEDS = 10, 64, (1, 2, 3)
CAPACITIES = (2.0, 5.0, 10.0, 15.0)
SCORES = ("mutual_information_gap", "sap_score", "modularity", "beta_vae_score")
SCORES += ("factor_vae_score",)


def discriminator():
    hidden = [keras.layers.Dense(200, activation="leaky_relu") for _ in range(3)]
    return keras.Sequential([keras.Input((NUM_LATENTS,)), *hidden, keras.layers.Dense(1)])


def objectives(num_examples):
    """Returns the weights in the middle of those that their papers tried."""
    return {
        "VAE": ELBO,
        "beta-VAE, beta = 4": lambda: ELBO(beta=4.0),
        "beta-TCVAE, beta = 6": lambda: Penalized(ELBO(), TotalCorrelation(5.0, num_examples)),
        "FactorVAE, gamma = 10": lambda: Penalized(ELBO(), DensityRatio(discriminator(), 10.0)),
        "DIP-VAE II, 10": lambda: Penalized(ELBO(), DIP(10.0)),
    }


def train(x, objective, epochs, seed):
    """Returns the trained model: an MLP, whose rate falls to 0."""
    keras.utils.set_random_seed(seed)
    networks = (
        mlp_encoder(SIZE**2, (256, 256), NUM_LATENTS),
        mlp_decoder(SIZE**2, (256, 256), NUM_LATENTS),
    )
    model = VAEModel(*networks, likelihood="bernoulli", seed=seed)
    rate = keras.optimizers.schedules.CosineDecay(1e-3, epochs * len(x) // BATCH_SIZE)
    model.compile(keras.optimizers.Adam(rate), objective=objective())
    model.fit(x, batch_size=BATCH_SIZE, epochs=epochs, verbose=0)
    return model


def held(x, capacity, epochs):
    """Returns the divergence and the distortion of a model that was held at a capacity."""
    model = train(x, lambda: ELBO(beta=100.0, capacity=capacity), epochs, SEEDS[0])
    logs = model.evaluate(x, batch_size=500, verbose=0, return_dict=True)
    return logs["kl_divergence"], logs["reconstruction_loss"]


def scores(x, factors, objective, epochs, seed):
    """Returns {score: value} of a trained model, and its two parts of the ELBO."""
    model = train(x, objective, epochs, seed)
    codes = np.concatenate([model.encode(part).mean() for part in np.array_split(x, 10)])
    values = {name: float(getattr(evaluation, name)(codes, factors)) for name in SCORES}
    logs = model.evaluate(x, batch_size=500, verbose=0, return_dict=True)
    return values | {name: logs[name] for name in ("kl_divergence", "reconstruction_loss")}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=40)
    arguments = parser.parse_args()
    start = time.perf_counter()
    x, factors = sprites()
    capacities = {c: held(x, c, arguments.epochs) for c in CAPACITIES}
    table = [("objective", "KL", "distortion", *(name.replace("_", " ") for name in SCORES))]
    for capacity, parts in capacities.items():
        row = [f"capacity {capacity:g}", *(f"{part:.2f}" for part in parts)]
        print(*row, flush=True)
        table.append(row + [""] * len(SCORES))
    runs = {}
    for name, objective in objectives(len(x)).items():
        runs[name] = [scores(x, factors, objective, arguments.epochs, seed) for seed in SEEDS]
        row = [name]
        for figure in ("kl_divergence", "reconstruction_loss", *SCORES):
            values = [run[figure] for run in runs[name]]
            row.append(f"{np.mean(values):.2f} ± {np.std(values, ddof=1):.2f}")
        print(*row, flush=True)
        table.append(row)
    save(
        RESULTS / "capacity",
        table,
        capacities={c: parts[0] for c, parts in capacities.items()},
        runs=runs,
        epochs=arguments.epochs,
        seeds=SEEDS,
        seconds=time.perf_counter() - start,
    )


if __name__ == "__main__":
    main()
