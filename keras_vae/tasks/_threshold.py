import fractions
import math

import numpy as np

from keras_vae._checks import number
from keras_vae._types import Array, Number


def calibrate_threshold(scores: Array, false_positive_rate: Number = 0.05) -> float:
    """Returns the anomaly score above which at most this share of normal examples lies.

    From the scores of normal examples that were not trained on: the k-th smallest of n. An
    example that is as normal as they are (exchangeable with them) has a score above the threshold
    with a probability of at most `false_positive_rate`, for any model and any n, since its rank
    among them is equally likely to be any; without ties, of at least that minus 1 / (n + 1). The
    probability is over the calibration set as well; given the set, it is a draw from
    Beta(n + 1 - k, k).

        k = ceil((1 - rate) (n + 1));   P(score > threshold) <= rate

    Args:
        scores: Array `(n,)` from `anomaly_score`, of held-out normal examples.
        false_positive_rate: Number in (0, 1). Defaults to 0.05.

    Returns:
        Number. An example is called an anomaly if its score is greater.

    Raises:
        TypeError: If `false_positive_rate` is no number.
        ValueError: If it is out of range, if there are fewer scores than 1 / rate - 1, or if one
            is NaN.

    Reference:
        Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005, chapter 2.

    Example:
        >>> import numpy as np
        >>> calibrate_threshold(np.arange(1.0, 100.0), false_positive_rate=0.1)
        90.0
    """
    owner = "calibrate_threshold"
    rate = number(false_positive_rate, "false_positive_rate", owner, maximum=1.0)
    if rate in (0.0, 1.0):
        raise ValueError(
            f"{owner} expects a false_positive_rate between 0 and 1, without these. "
            f"Received: false_positive_rate={rate}. For example 0.05."
        )
    scores = np.asarray(scores)
    if scores.ndim != 1 or scores.dtype.kind not in "fiu" or np.isnan(scores).any():
        raise ValueError(
            f"{owner} expects one number an example, none of them NaN. Received: scores of shape "
            f"{scores.shape} and dtype {scores.dtype}. Give anomaly_score(model, x_normal)."
        )
    # Of the decimal number as it is written: 0.29 * 100 is less than 29 in floating point.
    above = math.floor(fractions.Fraction(repr(rate)) * (len(scores) + 1))
    if above < 1:
        raise ValueError(
            f"{owner} expects at least {math.ceil(1 / fractions.Fraction(repr(rate))) - 1} scores "
            f"for this rate. Received: scores of {len(scores)} examples, "
            f"false_positive_rate={rate}. Give more normal examples, or allow more."
        )
    return float(np.sort(scores)[len(scores) - above])
