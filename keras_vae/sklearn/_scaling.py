"""Units: what a model of standardised data says of the data."""

import numpy as np
from sklearn.preprocessing import StandardScaler

# Families of real numbers, whose units mean nothing to a network.
_STANDARDISED = ("normal", "laplace")


class Scaling:
    """Moves and scales each column in double precision, if the likelihood asks for it."""

    def __init__(self, x, likelihood):
        wanted = likelihood in _STANDARDISED
        # scikit-learn divides by the number of what is there: an empty column is left as it is.
        x = np.where(np.isnan(x).all(axis=0), 0.0, np.float64(x))
        self._scaler = StandardScaler(with_mean=wanted, with_std=wanted).fit(x)

    def forward(self, x):
        return self._scaler.transform(np.float64(x))

    def backward(self, x):
        return self._scaler.inverse_transform(np.float64(x))

    def log_volume(self, x):
        """Returns what log p loses to the units of the entries that are there, `(N,)`."""
        if self._scaler.scale_ is None:
            return np.zeros(len(x))
        return np.where(np.isnan(x), 0.0, np.log(self._scaler.scale_)).sum(axis=1)
