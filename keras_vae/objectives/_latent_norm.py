import tensorflow as tf

from keras_vae._registry import serializable
from keras_vae._types import Scalar
from keras_vae.objectives._penalty import Penalty


@serializable
class LatentNorm(Penalty):
    """Penalises the length of the latents: what holds the codes of an RAE together.

    With a `Deterministic` posterior, `ELBO(beta=0)` and a penalty of the decoder
    (`GradientPenalty`, or Keras' own weight decay) it is the regularised autoencoder, whose
    codes are given a density after the training (`priors.fit`).

        penalty = 1/2 |z|^2,  the mean over the samples z

    Args:
        weight: Number >= 0 or schedule, beta of the paper.

    Shapes:
        returns: `(B,)`.

    Raises:
        TypeError: If `weight` is no number.
        ValueError: If `weight` is out of range.

    Reference:
        Ghosh et al., "From Variational to Deterministic Autoencoders", 2020, section 3.

    Example:
        >>> LatentNorm(weight=1e-2)
        LatentNorm(weight=0.01)
    """

    name = "latent_norm"

    def __init__(self, weight: Scalar) -> None:
        super().__init__(weight)

    def _value(self, terms):
        squares = tf.reduce_mean(tf.square(terms.z), axis=0)
        return 0.5 * tf.reduce_sum(squares, axis=list(range(1, squares.shape.rank)))
