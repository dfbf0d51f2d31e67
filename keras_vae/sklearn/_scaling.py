"""Units: what a model of standardised data says of the data."""

import typing

import numpy as np

# Families of real numbers, whose units mean nothing to a network.
_STANDARDISED = ("normal", "laplace")


class Scaling(typing.NamedTuple):
    """Moves and scales each column: `(x - mean) / scale`."""

    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, x, likelihood):
        """Returns the scaling that the likelihood asks for, from data with NaN for missing."""
        mean, scale = np.zeros(x.shape[1]), np.ones(x.shape[1])
        if likelihood in _STANDARDISED:
            observed = ~np.isnan(x)
            number = np.maximum(observed.sum(axis=0), 1)
            mean = np.where(observed, x, 0.0).sum(axis=0, dtype="float64") / number
            square = np.square(np.where(observed, x - mean, 0.0)).sum(axis=0) / number
            # A column that does not vary, but by rounding, is left in its units.
            varies = np.sqrt(square) > 1e-10 * np.abs(mean)
            scale = np.where(varies, np.sqrt(square), 1.0)
        return cls(mean, scale)

    def forward(self, x):
        return (np.float64(x) - self.mean) / self.scale

    def backward(self, x):
        return np.float64(x) * self.scale + self.mean

    def log_volume(self, x):
        """Returns what log p loses to the units of the entries that are there, `(N,)`."""
        return ~np.isnan(x) @ np.log(self.scale)
