import math

import numpy as np

from keras_vae._checks import number
from keras_vae._numerics import as_shape
from keras_vae._types import Array, Number, Shape


def bits_per_dimension(
    log_prob: Array, event_shape: Shape, bin_width: Number = 1.0
) -> np.ndarray | float:
    """Returns the bits that a lossless code needs for one entry of the data.

    For densities of data that were rounded to bins, and noise of a bin's width added, give the
    width of the bins in the units of the data: 1 / 256 for pixels that were divided by 256.

        bits = -(log p(x) + D log(bin_width)) / (D log 2),  D entries

    Args:
        log_prob: log p(x) in nats, a number or an array.
        event_shape: Integer or tuple, the shape of one data point.
        bin_width: Number > 0. Defaults to 1, whole numbers.

    Returns:
        Array of the shape of `log_prob`, in double precision; a number for a number.

    Raises:
        TypeError: If a number is of another kind.
        ValueError: If `bin_width` is not positive or `event_shape` is empty.

    Reference:
        Theis, van den Oord and Bethge, "A Note on the Evaluation of Generative Models", 2016,
        section 3.1.

    Example:
        >>> import math
        >>> float(bits_per_dimension(-784 * math.log(2.0), (28, 28)))
        1.0
    """
    owner = "bits_per_dimension"
    bin_width = number(bin_width, "bin_width", owner)
    if bin_width == 0:
        raise ValueError(
            f"{owner} expects a bin_width above 0. Received: bin_width={bin_width}. "
            "Give the distance between neighbouring values of the data."
        )
    size = math.prod(as_shape(event_shape, owner))
    log_prob = np.asarray(log_prob)
    if log_prob.dtype.kind not in "biuf":
        raise TypeError(
            f"{owner} expects log_prob to be a number or an array of numbers. "
            f"Received: log_prob={log_prob!r}. Give nats."
        )
    log_prob = log_prob.astype("float64")
    return -(log_prob / size + math.log(bin_width)) / math.log(2.0)
