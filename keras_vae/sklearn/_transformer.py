from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import tensorflow as tf
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from keras_vae._checks import choice, count, counts
from keras_vae._random import as_seed, fold_in, standard_normal
from keras_vae._types import Array, Integer
from keras_vae.sklearn._networks import LIKELIHOODS, build, train
from keras_vae.sklearn._scaling import Scaling

if TYPE_CHECKING:
    from typing_extensions import Self

_LARGEST_SEED = 2**31 - 1
# Latents an example for the log-likelihood, and decoder inputs at a time.
_NUM_SAMPLES = 200
_ROWS = 2**15


class VAETransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """A variational autoencoder that stands where `sklearn.decomposition.PCA` stood.

    Dense networks around `VAEModel`, with a standard normal prior and a `MultivariateNormalDiag`
    posterior. Real numbers (`likelihood="normal"` or "laplace") are standardised inside, column by
    column; what comes out is in the units of the data, and so is the density that `score_samples`
    gives. "normal" has one noise scale for all columns, which is learned, as probabilistic PCA
    has. Data of another likelihood are taken as they are: values in [0, 1] for "bernoulli",
    counts for "poisson". NaN is missing.

    Everything is computed in double precision and without global seeds: the same `random_state`
    gives the same numbers, one example at a time or all at once.

        transform:     mean of q(z|x)
        score_samples: log p(x), by importance sampling with 200 latents              [nats]

    Args:
        n_components: Integer >= 1, the number of latents. Defaults to 2.
        hidden_units: Tuple of integers, the encoder's hidden layers; the decoder has them in
            reverse. Defaults to (128,).
        likelihood: "normal", "laplace", "bernoulli", "continuous_bernoulli", "poisson" or
            "negative_binomial". Defaults to "normal".
        epochs: Integer >= 1. Defaults to 100.
        batch_size: Integer >= 1. Defaults to 64.
        random_state: Integer, `numpy.random.RandomState` or None, as in scikit-learn. Defaults to
            None.

    Attributes:
        model_: The fitted `VAEModel`, for `keras_vae.evaluation` and `keras_vae.tasks`. For real
            values it takes standardised data.
        n_features_in_: Number of columns.
        n_iter_: Number of epochs.

    Raises:
        TypeError: If a number is of another kind, in `fit`.
        ValueError: If one is out of range or `likelihood` is unknown, in `fit`.
        ImportError: If scikit-learn is missing.

    Reference:
        Kingma and Welling, "Auto-Encoding Variational Bayes", 2014, algorithm 1.

    Example:
        >>> import numpy as np
        >>> x = np.random.default_rng(0).normal(size=(50, 4))
        >>> codes = VAETransformer(n_components=2, epochs=1, random_state=0).fit_transform(x)
        >>> codes.shape
        (50, 2)
    """

    def __init__(
        self,
        n_components: Integer = 2,
        *,
        hidden_units: Sequence[Integer] = (128,),
        likelihood: Literal[
            "normal", "laplace", "bernoulli", "continuous_bernoulli", "poisson", "negative_binomial"
        ] = "normal",
        epochs: Integer = 100,
        batch_size: Integer = 64,
        random_state: Integer | np.random.RandomState | None = None,
    ) -> None:
        self.n_components = n_components
        self.hidden_units = hidden_units
        self.likelihood = likelihood
        self.epochs = epochs
        self.batch_size = batch_size
        self.random_state = random_state

    def fit(self, X: Array, y: Any = None) -> "Self":
        """Trains a new model on `X`, `(N, features)`; returns the estimator."""
        owner = type(self).__name__
        n_components = count(self.n_components, "n_components", owner)
        hidden_units = counts(self.hidden_units, "hidden_units", owner)
        epochs = count(self.epochs, "epochs", owner)
        batch_size = count(self.batch_size, "batch_size", owner)
        choice(self.likelihood, "likelihood", owner, LIKELIHOODS)
        X = self._checked(X, reset=True)
        seed = int(check_random_state(self.random_state).randint(_LARGEST_SEED))
        self._scaling = Scaling(X, self.likelihood)
        x = self._scaling.forward(X)
        self.model_ = build(x, n_components, hidden_units, self.likelihood, seed)
        train(self.model_, x, epochs, batch_size, seed)
        self._noise = standard_normal(
            (_NUM_SAMPLES, n_components), fold_in(as_seed(seed), 1), tf.float64
        ).numpy()
        self.n_iter_ = epochs
        return self

    def transform(self, X: Array) -> np.ndarray:
        """Returns the means of q(z|x), `(N, n_components)`."""
        x, dtype = self._prepared(X)
        return self.model_.encode(x).mean().numpy().astype(dtype)

    def inverse_transform(self, Z: Array) -> np.ndarray:
        """Returns the means of p(x|z), `(N, features)`."""
        check_is_fitted(self)
        Z = check_array(Z, dtype=(np.float64, np.float32))
        x = self.model_.likelihood.point_estimate(self.model_.decoder(np.float64(Z)))
        return self._scaling.backward(x.numpy()).astype(Z.dtype)

    def score_samples(self, X: Array) -> np.ndarray:
        """Returns the estimate of log p(x) of each example in nats, `(N,)`.

        A density is one of the data in their own units. Entries that are missing are left out.
        """
        x, dtype = self._prepared(X)
        rows = max(1, _ROWS // _NUM_SAMPLES)
        parts = [self._log_likelihood(x[start : start + rows]) for start in range(0, len(x), rows)]
        return (np.concatenate(parts) - self._scaling.log_volume(x)).astype(dtype)

    def score(self, X: Array, y: Any = None) -> float:
        """Returns the mean of `score_samples`."""
        return float(np.mean(self.score_samples(X)))

    def sample(
        self, n_samples: Integer = 1, random_state: Integer | np.random.RandomState | None = None
    ) -> np.ndarray:
        """Returns new data, `(n_samples, features)`, as `KernelDensity.sample` does."""
        check_is_fitted(self)
        n_samples = count(n_samples, "n_samples", type(self).__name__)
        seed = check_random_state(random_state).randint(_LARGEST_SEED)
        return self._scaling.backward(self.model_.sample(n_samples, seed=int(seed)).numpy())

    def _log_likelihood(self, x):
        # The same noise for every example, so that none depends on the others.
        model, q = self.model_, self.model_.encode(x)
        z = q.mean() + q.stddev() * self._noise[:, np.newaxis]
        log_ratio = model.prior.distribution().log_prob(z) - q.log_prob(z)
        params = model._decoder_params(z, None, training=False)
        log_weight = model.likelihood.log_likelihood(x, params) + log_ratio
        return tf.reduce_logsumexp(log_weight, axis=0).numpy() - np.log(_NUM_SAMPLES)

    def _prepared(self, X):
        """Returns the data as the model takes them, and the dtype of what comes out."""
        check_is_fitted(self)
        X = self._checked(X, reset=False)
        return self._scaling.forward(X), X.dtype

    def _checked(self, X, reset):
        dtypes = (np.float64, np.float32)
        return validate_data(self, X, reset=reset, dtype=dtypes, ensure_all_finite="allow-nan")

    @property
    def _n_features_out(self):
        return self._noise.shape[1]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
