"""A model whose evidence is known in closed form."""

import keras
import numpy as np
import pytest

from keras_vae import VAEModel, families

FEATURES, LATENT, SCALE = 5, 2, 0.7


class LinearGaussian:
    """x = W z + b + noise, z standard normal: evidence and posterior in float64."""

    features, latent, scale = FEATURES, LATENT, SCALE

    def __init__(self, seed=0):
        generator = np.random.default_rng(seed)
        self.W = generator.normal(size=(FEATURES, LATENT))
        self.b = generator.normal(size=FEATURES)
        covariance = self.W @ self.W.T + SCALE**2 * np.eye(FEATURES)
        self.x = generator.multivariate_normal(self.b, covariance, size=6).astype("float32")
        self.log_evidence = log_normal(np.float64(self.x), self.b, covariance)
        precision = np.eye(LATENT) + self.W.T @ self.W / SCALE**2
        self.covariance = np.linalg.inv(precision)
        self.gain = self.covariance @ self.W.T / SCALE**2
        self.means = (self.x - self.b) @ self.gain.T

    def missing(self, column):
        """Returns the data without this entry, and what is left of the evidence."""
        x = self.x.copy()
        x[:, column] = np.nan
        keep = np.delete(np.arange(FEATURES), column)
        covariance = (self.W @ self.W.T + SCALE**2 * np.eye(FEATURES))[np.ix_(keep, keep)]
        return x, log_normal(np.float64(x[:, keep]), self.b[keep], covariance)

    def model(self, posterior="true"):
        """The VAE, with the true posterior, a wrong one, or one that is far away."""
        if posterior == "true":
            family = families.MultivariateNormalTriL(LATENT)
            factor = np.linalg.cholesky(self.covariance)
            scale = [np.log(factor[0, 0]), factor[1, 0], np.log(factor[1, 1])]
            loc, gain = 0.0, self.gain
        else:
            family = families.MultivariateNormalDiag(LATENT)
            # Wider than the truth, and off by a third of its spread.
            spread = np.diag(self.covariance)
            scale, loc, gain = np.log(2.0 * spread), np.sqrt(spread) / 3.0, self.gain
            loc = 30.0 * loc if posterior == "displaced" else loc
        kernel = np.concatenate([gain.T, np.zeros((FEATURES, len(scale)))], axis=1)
        bias = np.concatenate([loc - self.b @ gain.T, scale])
        encoder = keras.Sequential([keras.Input((FEATURES,)), keras.layers.Dense(len(bias))])
        decoder = keras.Sequential([keras.Input((LATENT,)), keras.layers.Dense(FEATURES)])
        encoder.set_weights([kernel, bias])
        decoder.set_weights([self.W.T, self.b])
        return VAEModel(encoder, decoder, family, families.Normal(FEATURES, scale=SCALE), seed=1)


def log_normal(x, mean, covariance):
    residual = x - mean
    _, log_determinant = np.linalg.slogdet(2 * np.pi * covariance)
    return -0.5 * np.einsum("bi,ij,bj->b", residual, np.linalg.inv(covariance), residual) - (
        0.5 * log_determinant
    )


@pytest.fixture(scope="module")
def linear():
    return LinearGaussian()
