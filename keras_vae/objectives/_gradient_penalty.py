import tensorflow as tf

from keras_vae._random import standard_normal
from keras_vae._registry import serializable
from keras_vae._types import Scalar
from keras_vae.objectives._penalty import Penalty


@serializable
class GradientPenalty(Penalty):
    """Penalises the decoder's slope: a smooth decoder, in place of one that noise makes smooth.

    The squared norm of the Jacobian of the mean of p(x|z), at the first sample of each
    posterior. It is estimated without bias by one vector-Jacobian product, whatever the number
    of pixels: v has a random sign, +1 or -1, for each entry of x, so that E[v v'] = 1.

        penalty = |d x / d z|_F^2 = E_v |v' (d x / d z)|^2,  x = E[x | z]

    Args:
        weight: Number >= 0 or schedule.

    Shapes:
        returns: `(B,)`.

    Raises:
        TypeError: If `weight` is no number.
        ValueError: If `weight` is out of range, or if the reconstruction has no derivative, as
            the classes of a `Categorical` likelihood.

    Reference:
        Ghosh et al., "From Variational to Deterministic Autoencoders", 2020, section 3;
        Hutchinson, "A Stochastic Estimator of the Trace of the Influence Matrix for Laplacian
        Smoothing Splines", 1989 (the signs).

    Example:
        >>> GradientPenalty(weight=1e-3)
        GradientPenalty(weight=0.001)
    """

    name = "gradient_penalty"

    def __init__(self, weight: Scalar) -> None:
        super().__init__(weight)

    def _value(self, terms):
        z = terms.z[0]
        with tf.GradientTape() as tape:
            tape.watch(z)
            x = terms.decode(z)
            signs = tf.sign(standard_normal(tf.shape(x), terms.seed, x.dtype))
            projection = tf.reduce_sum(signs * x)
        slope = tape.gradient(projection, z)
        if slope is None:
            raise ValueError(
                "GradientPenalty expects a reconstruction that has a derivative with respect to "
                "z. Received: one that has none, as class codes do not. Take a likelihood whose "
                "mean is a data point, such as Normal or Bernoulli, or leave the penalty out."
            )
        return tf.reduce_sum(tf.square(slope), axis=list(range(1, slope.shape.rank)))
