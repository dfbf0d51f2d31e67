"""A mixture fitted to latents by scikit-learn."""

import keras
import numpy as np

from keras_vae._requirements import check_scikit_learn
from keras_vae.priors._mixture_prior import MixturePrior

KINDS = {"diagonal": "diag", "full": "full"}


def fitted_mixture(z, num_components, covariance, seed, dtype):
    """Returns the `MixturePrior` of highest likelihood that was found for the latents `z`."""
    check_scikit_learn("fit", "whose GaussianMixture it fits")
    from sklearn.mixture import GaussianMixture

    event_shape = z.shape[1:]
    if covariance == "full" and len(event_shape) != 1:
        raise ValueError(
            "fit expects latents with one axis for a full covariance. Received: latents of shape "
            f"{event_shape}. Take covariance='diagonal'."
        )
    if len(z) < num_components:
        raise ValueError(
            "fit expects at least as many examples as components. Received: "
            f"x of {len(z)} examples for num_components={num_components}. Give more data."
        )
    flat = z.reshape(len(z), -1).astype("float64")
    random_state = int(np.asarray(seed, np.int64)[0] % 2**31)
    mixture = GaussianMixture(num_components, covariance_type=KINDS[covariance])
    mixture.set_params(random_state=random_state).fit(flat)
    return _as_prior(mixture, event_shape, covariance, dtype)


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
