"""A model whose evidence is known in closed form."""

import keras
import numpy as np

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

    def imputed(self, x):
        """Returns mean and covariance of the data given what is not NaN in it."""
        return conditional_normal(x, self.b, self.W @ self.W.T + SCALE**2 * np.eye(FEATURES))

    def elbo(self, q):
        """Returns E_q log p(x_i|z) of each entry and KL(q || p(z)), `(B, F)` and `(B,)`."""
        loc, variance = np.float64(q.mean()), np.float64(q.variance())
        residual = self.x - loc @ self.W.T - self.b
        fit = -0.5 * (residual**2 + variance @ (self.W**2).T) / SCALE**2
        fit -= 0.5 * np.log(2 * np.pi * SCALE**2)
        return fit, 0.5 * np.sum(loc**2 + variance - np.log(variance) - 1.0, axis=1)

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


def conditional_normal(x, mean, covariance):
    """Returns the mean, `(B, F)`, and covariance, `(B, F, F)`, of x given what is not NaN."""
    means, covariances = np.array(x, "float64"), np.zeros((*x.shape, x.shape[-1]))
    for row, filled, spread in zip(x, means, covariances, strict=True):
        gone, there = np.isnan(row), ~np.isnan(row)
        gain = covariance[np.ix_(gone, there)] @ np.linalg.inv(covariance[np.ix_(there, there)])
        filled[gone] = mean[gone] + gain @ (row - mean)[there]
        spread[np.ix_(gone, gone)] = (
            covariance[np.ix_(gone, gone)] - gain @ covariance[np.ix_(there, gone)]
        )
    return means, covariances


def log_normal(x, mean, covariance):
    residual = x - mean
    _, log_determinant = np.linalg.slogdet(2 * np.pi * covariance)
    return -0.5 * np.einsum("bi,ij,bj->b", residual, np.linalg.inv(covariance), residual) - (
        0.5 * log_determinant
    )
