"""The types that signatures share."""

import os
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from keras_vae._tfp import tfd

# Python or NumPy numbers.
Integer = int | np.integer
Number = float | np.integer | np.floating
# What NumPy and TensorFlow make an array of.
Array: TypeAlias = ArrayLike | tf.Tensor
# Examples, or a dictionary with the keys "x" and "condition".
Data = Array | dict[str, Any]
# The parameters of a distribution, side by side or one by one.
Params = Array | Sequence[Array]
# The shape of one event, without a batch axis.
Shape = Integer | Sequence[Integer]
# The shape of a batch; None is a length that is open.
BatchShape = Sequence[int | None]
# The function x -> q(z|x) of a model.
Encode = Callable[[Any], tfd.Distribution]
# An integer, or a pair of integers; None for new noise.
Seed = Integer | Sequence[Integer] | None
# A function of progress: of this package, of Keras or of your own.
ScheduleLike = Callable[[Any], Any]
# A number, or a schedule that it follows.
Scalar = Number | ScheduleLike
# What the progress of a schedule counts.
Unit = Literal["step", "epoch", "run"]
# How a divergence is computed, and how q(z) is estimated from a batch.
Method = Literal["auto", "exact", "monte_carlo"]
Estimator = Literal["weighted", "stratified"]
Kernel = Literal["gaussian", "inverse_multiquadratic"]
# Of Keras, by name or itself.
Activation = str | Callable[..., Any]
Initializer = str | Callable[..., Any]
# A file or folder.
Path = str | os.PathLike[str]
# What `get_config` returns and `from_config` takes.
Config = dict[str, Any]
