from typing import TYPE_CHECKING, Literal

import numpy as np

from keras_vae._checks import choice, count
from keras_vae._random import as_seed, fold_in
from keras_vae._types import Data, Integer, Seed
from keras_vae.evaluation._batches import batches
from keras_vae.priors._expectation_maximisation import KINDS, fitted_mixture
from keras_vae.priors._maximum_likelihood import maximise_likelihood
from keras_vae.priors._prior import Prior

if TYPE_CHECKING:
    from keras_vae.models import VAEModel


def fit(
    model: "VAEModel",
    x: Data,
    num_components: Integer = 10,
    covariance: Literal["full", "diagonal"] = "full",
    prior: Prior | None = None,
    epochs: Integer = 200,
    batch_size: Integer = 256,
    seed: Seed = None,
) -> Prior:
    """Returns a density fitted to the encoded data, as a prior: a mixture, or one that you give.

    The recipe of the regularised autoencoder: train with any prior or none, then sample from the
    density that the latents turned out to have. Every example is encoded and one latent drawn
    from its posterior (for a deterministic one, the code itself). scikit-learn fits a mixture of
    normal distributions to them by expectation maximisation; the weights of a prior that is
    given, such as a flow, are trained from where they stand by Adam, on shuffled batches.

        weights = arg max mean_n log p(z_n; weights),   z_n ~ q(z|x_n)                  [nats]

    Give the prior to a model of the same networks:

        VAEModel(model.encoder, model.decoder, model.posterior, model.likelihood, prior)

    Args:
        model: A trained `keras_vae.VAEModel`.
        x: Array `(N, ...)`, or a dictionary with the keys "x" and "condition".
        num_components: Integer >= 1, the number of normal distributions of the mixture. Defaults
            to 10.
        covariance: "full" or "diagonal", of the mixture. Defaults to "full".
        prior: A `Prior` with trainable weights, such as `FlowPrior`, which is trained and
            returned, or None for the mixture, to which alone the two arguments before apply.
            Defaults to None.
        epochs: Integer >= 1, passes over the latents; not for the mixture. Defaults to 200.
        batch_size: Integer >= 1, examples encoded, and latents trained on, at a time. Defaults
            to 256.
        seed: Integer, pair of integers or None. The same seed gives the same mixture, and the
            same training of a prior with the same weights. Defaults to None, new noise at each
            call.

    Returns:
        A `MixturePrior` over the latents, whose weights can be trained further, or `prior`.

    Raises:
        ImportError: If there is no `prior` and scikit-learn is missing.
        TypeError: If a number is no integer or `prior` no prior.
        ValueError: If `covariance` is an unknown word, if there are fewer examples than
            components or none, if a latent is not finite, if the latents of a "full" covariance
            have more than one axis, or if `prior` has no weights to train, another event shape,
            or a training that diverges.

    Reference:
        Ghosh et al., "From Variational to Deterministic Autoencoders", 2020, section 4.

    Example:
        >>> import keras
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
    epochs = count(epochs, "epochs", "fit")
    batch_size = count(batch_size, "batch_size", "fit")
    choice(covariance, "covariance", "fit", tuple(KINDS))
    if prior is not None and not isinstance(prior, Prior):
        raise TypeError(
            f"fit expects a prior or None. Received: prior={prior!r}. "
            "For example priors.FlowPrior(2)."
        )
    seed = as_seed(seed)
    z = _encoded(model, x, batch_size, seed)
    if not np.all(np.isfinite(z)):
        raise ValueError(
            "fit expects finite latents. Received: latents with NaN or infinity. "
            "Look at model.encode(x): has the training diverged?"
        )
    if prior is None:
        return fitted_mixture(z, num_components, covariance, seed, model.variable_dtype)
    return maximise_likelihood(prior, z, model.encode, epochs, batch_size, seed)


def _encoded(model, x, batch_size, seed):
    codes = [
        model.encode(batch).sample(seed=fold_in(seed, index)).numpy()
        for index, batch in enumerate(batches(x, batch_size, "fit"))
    ]
    return np.concatenate(codes) if codes else np.zeros((0, 1))
