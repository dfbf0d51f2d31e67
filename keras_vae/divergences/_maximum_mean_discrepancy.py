from collections.abc import Callable

import tensorflow as tf

from keras_vae._checks import real_numbers
from keras_vae._types import Array, Kernel


def maximum_mean_discrepancy(
    a: Array,
    b: Array,
    kernel: Kernel | Callable[[tf.Tensor, tf.Tensor], tf.Tensor] = "inverse_multiquadratic",
) -> tf.Tensor:
    """Returns the squared maximum mean discrepancy of two samples, without bias.

    Zero in expectation if and only if both come from one distribution; it needs samples alone.
    The kernels add up several widths around the one that fits standard normal latents.

        MMD^2 = E k(a, a') - 2 E k(a, b) + E k(b, b'),  a != a', b != b'
        "gaussian":               k(a, b) = sum_c exp(-|a - b|^2 / (2 c d))
        "inverse_multiquadratic": k(a, b) = sum_c 2 c d / (2 c d + |a - b|^2)
        c in 0.1, 0.2, 0.5, 1, 2, 5, 10

    Args:
        a: Samples.
        b: Samples.
        kernel: "gaussian", "inverse_multiquadratic", or a callable from squared distances and the
            number of dimensions to values. Defaults to "inverse_multiquadratic".

    Shapes:
        a: `(A, d)` with at least two rows.
        b: `(B, d)` with at least two rows.
        returns: `()`.

    Raises:
        ValueError: If `kernel` is unknown.

    Reference:
        Gretton et al., "A Kernel Two-Sample Test", 2012, equation 3; Tolstikhin et al.,
        "Wasserstein Auto-Encoders", 2018, section 3 and appendix D (kernels and scales).

    Example:
        >>> import tensorflow as tf
        >>> a = tf.constant([[0.0], [0.0]])
        >>> round(float(maximum_mean_discrepancy(a, a + 1e4, kernel="gaussian")), 3)
        14.0
    """
    function = KERNELS.get(kernel, kernel) if isinstance(kernel, str) else kernel
    if not callable(function):
        raise ValueError(
            "maximum_mean_discrepancy expects a kernel that is callable or one of "
            f"{', '.join(map(repr, KERNELS))}. Received: kernel={kernel!r}. Change the value."
        )

    owner = "maximum_mean_discrepancy"
    a, b = real_numbers(a, "a", owner, rank=2), real_numbers(b, "b", owner, rank=2)
    if a.dtype != b.dtype or not a.shape[1:].is_compatible_with(b.shape[1:]):
        raise ValueError(
            f"{owner} expects two sets of vectors of one length and dtype. Received: a of shape "
            f"{tuple(a.shape)} in {a.dtype.name}, b of shape {tuple(b.shape)} in {b.dtype.name}. "
            "Change one of them."
        )
    for name, value in (("a", a), ("b", b)):
        if value.shape[0] in (0, 1):
            raise ValueError(
                f"{owner} expects at least two vectors in each set. "
                f"Received: {name} of shape {tuple(value.shape)}. Give more samples."
            )

    def values(x, y):
        distances = tf.reduce_sum(tf.square(x[:, tf.newaxis] - y[tf.newaxis]), axis=-1)
        size = tf.cast(tf.shape(x)[-1], x.dtype)
        try:
            return function(distances, size)
        except TypeError as error:
            raise TypeError(
                f"{owner} expects a kernel of squared distances and the number of latents. "
                f"Received: kernel={kernel!r}. Its call fails: {error}"
            ) from error

    def mean_without_diagonal(x):
        off_diagonal = 1.0 - tf.eye(tf.shape(x)[0], dtype=x.dtype)
        return tf.reduce_sum(values(x, x) * off_diagonal) / tf.reduce_sum(off_diagonal)

    across = tf.reduce_mean(values(a, b))
    return mean_without_diagonal(a) - 2.0 * across + mean_without_diagonal(b)


_WIDTHS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def _gaussian(distances, size):
    return tf.add_n([tf.exp(-distances / (2.0 * width * size)) for width in _WIDTHS])


def _inverse_multiquadratic(distances, size):
    widths = [2.0 * width * size for width in _WIDTHS]
    return tf.add_n([width / (width + distances) for width in widths])


KERNELS = {"gaussian": _gaussian, "inverse_multiquadratic": _inverse_multiquadratic}
