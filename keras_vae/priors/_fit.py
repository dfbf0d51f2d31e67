import importlib.util

import keras
import numpy as np

from keras_vae._checks import choice, count
from keras_vae._random import as_seed, fold_in
from keras_vae.evaluation._batches import batches
from keras_vae.priors._mixture_prior import MixturePrior

_KINDS = {"diagonal": "diag", "full": "full"}


def fit(model, x, num_components=10, covariance="full", batch_size=256, seed=None):
    """Returns a mixture of normal distributions fitted to the encoded data, as a prior.

    The recipe of the regularised autoencoder: train with any prior or none, then sample from the
    density that the latents turned out to have. Every example is encoded and one latent drawn
    from its posterior (for a deterministic one, the code itself), and scikit-learn fits the
    mixture by expectation maximisation. Give it to a model of the same networks:

        VAEModel(model.encoder, model.decoder, model.posterior, model.likelihood, prior)

    Args:
        model: A trained `keras_vae.VAEModel`.
        x: Array `(N, ...)`, or a dictionary with the keys "x" and "condition".
        num_components: Integer >= 1, the number of normal distributions. Defaults to 10.
        covariance: "full" or "diagonal". Defaults to "full".
        batch_size: Integer >= 1, examples encoded at a time. Defaults to 256.
        seed: Integer, pair of integers or None. The same seed gives the same prior. Defaults to
            None, new noise at each call.

    Returns:
        A `MixturePrior` over the latents, whose weights can be trained further.

    Raises:
        ImportError: If scikit-learn is missing.
        TypeError: If a number is no integer.
        ValueError: If `covariance` is an unknown word, if there are fewer examples than
            components, if a latent is not finite, or if the latents of a "full" covariance have
            more than one axis.

    Reference:
        Ghosh et al., "From Variational to Deterministic Autoencoders", 2020, section 4.

    Example:
        >>> from keras_vae import VAEModel
        >>> encoder = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
        >>> decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(8)])
        >>> model = VAEModel(encoder, decoder)
        >>> x = np.random.default_rng(1).normal(size=(50, 8))
        >>> prior = fit(model, x, num_components=3, seed=1)
        >>> VAEModel(encoder, decoder, prior=prior).sample(5).shape
        TensorShape([5, 8])
    """
    num_components = count(num_components, "num_components", "fit")
    batch_size = count(batch_size, "batch_size", "fit")
    choice(covariance, "covariance", "fit", tuple(_KINDS))
    if importlib.util.find_spec("sklearn") is None:
        raise ImportError(
            "fit expects the package scikit-learn, whose GaussianMixture it fits. Received: no "
            "scikit-learn in this environment. Install it with `pip install scikit-learn`."
        )
    from sklearn.mixture import GaussianMixture

    seed = as_seed(seed)
    z = _encoded(model, x, batch_size, seed)
    event_shape = z.shape[1:]
    if covariance == "full" and len(event_shape) != 1:
        raise ValueError(
            "fit expects latents with one axis for a full covariance. Received: latents of shape "
            f"{event_shape}. Take covariance='diagonal'."
        )
    if len(z) < num_components:
        raise ValueError(
            "fit expects at least as many examples as components. Received: "
            f"{len(z)} examples for num_components={num_components}. Give more data."
        )
    if not np.all(np.isfinite(z)):
        raise ValueError(
            "fit expects finite latents. Received: latents with NaN or infinity. "
            "Look at model.encode(x): has the training diverged?"
        )
    flat = z.reshape(len(z), -1).astype("float64")
    random_state = int(np.asarray(seed, np.int64)[0] % 2**31)
    mixture = GaussianMixture(num_components, covariance_type=_KINDS[covariance])
    mixture.set_params(random_state=random_state).fit(flat)
    return _as_prior(mixture, event_shape, covariance, model.variable_dtype)


def _encoded(model, x, batch_size, seed):
    codes = [
        model.encode(batch).sample(seed=fold_in(seed, index)).numpy()
        for index, batch in enumerate(batches(x, batch_size))
    ]
    return np.concatenate(codes) if codes else np.zeros((0, 1))


def _as_prior(mixture, event_shape, covariance, dtype):
    dtype = "float64" if dtype == "float64" else "float32"
    prior = MixturePrior(event_shape, mixture.n_components, covariance, dtype=dtype)
    if covariance == "full":
        factors = np.linalg.cholesky(mixture.covariances_)
        diagonal = np.arange(factors.shape[-1])
        factors[:, diagonal, diagonal] = np.log(factors[:, diagonal, diagonal])
        rows, columns = np.tril_indices(factors.shape[-1])
        scales = factors[:, rows, columns]
    else:
        scales = np.log(mixture.covariances_)
    # A component that no example belongs to has the weight zero.
    logits = np.log(np.maximum(mixture.weights_, np.finfo("float32").tiny))
    for weight, value in (
        (prior.logits, logits),
        (prior.means, mixture.means_),
        (prior.scales, scales),
    ):
        weight.assign(keras.ops.reshape(value.astype(dtype), weight.shape))
    return prior
