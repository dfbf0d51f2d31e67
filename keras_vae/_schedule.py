"""What every schedule is, and the numbers that a schedule may stand for."""

import dataclasses
import functools
import inspect
import math
from collections.abc import Callable
from typing import ParamSpec

import keras
import numpy as np
import tensorflow as tf

from keras_vae._checks import number
from keras_vae._registry import revived, serializable
from keras_vae._types import Config, Number

_Arguments = ParamSpec("_Arguments")
_MAKERS: dict[str, Callable] = {}


@serializable
@dataclasses.dataclass(frozen=True)
class Schedule:
    """A function of progress that ends.

    It is computed in float64: exactly in Python for a number, inside the compiled step for a
    tensor. What is saved of a schedule of this module is its name and its arguments; a function of
    your own must be registered with Keras.

    Args:
        function: Callable, from progress in [0, duration] to a value. It is given a number or a
            tensor.
        duration: Number >= 0, progress after which the value stays. Defaults to infinity, for
            one that never settles.

    Shapes:
        progress: `()`.
        returns: A float for a number; for a tensor one of its dtype, float32 if it has integers.

    Raises:
        TypeError: If `function` is not callable or `duration` no number.
        ValueError: If `duration` is negative or NaN, or when it is saved with a function that
            Keras does not know.

    Example:
        >>> square = Schedule(lambda progress: progress**2, duration=10)
        >>> square(5), square(20)
        (25.0, 100.0)
    """

    function: Callable
    duration: Number = math.inf
    _made_by: tuple | None = dataclasses.field(default=None, init=False, compare=False)

    def __post_init__(self):
        if not callable(self.function):
            raise TypeError(
                "Schedule expects a callable function. "
                f"Received: function={self.function!r}. For example lambda progress: progress**2."
            )
        if self.duration != math.inf:
            number(self.duration, "duration", "Schedule")

    def __call__(self, progress: Number | tf.Tensor) -> float | tf.Tensor:
        """Returns the value at this progress, a float or a tensor as `progress` is."""
        if not tf.is_tensor(progress):
            return float(self.function(min(max(float(progress), 0.0), self.duration)))
        dtype = progress.dtype if progress.dtype.is_floating else tf.float32  # type: ignore[union-attr]
        # float32 has no whole steps beyond 2^24.
        exact = tf.clip_by_value(tf.cast(progress, tf.float64), 0.0, self.duration)
        return keras.ops.convert_to_tensor(self.function(exact), dtype)

    def __repr__(self):
        if self._made_by is None:
            return f"Schedule(function={self.function!r}, duration={self.duration!r})"
        name, arguments = self._made_by
        return f"{name}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})"

    def get_config(self) -> Config:
        """Returns the name and the arguments of the schedule, or its function and duration."""
        if self._made_by is not None:
            name, arguments = self._made_by
            return {"name": name, "arguments": arguments}
        _check_registered(self.function)
        # JSON knows no infinity.
        duration = None if self.duration == math.inf else self.duration
        return {"function": self.function, "duration": duration}

    @classmethod
    def from_config(cls, config: Config) -> "Schedule":
        """Returns the schedule that has this configuration."""
        config = {key: revived(value) for key, value in config.items()}
        if "name" in config:
            arguments = {key: revived(value) for key, value in config["arguments"].items()}
            return _MAKERS[config["name"]](**arguments)
        return cls(
            config["function"], math.inf if config["duration"] is None else config["duration"]
        )


def saved_by_name(make: Callable[_Arguments, "Schedule"]) -> Callable[_Arguments, "Schedule"]:
    """Decorates a function that returns a schedule: its name and arguments are what is saved."""

    @functools.wraps(make)
    def remembered(*args, **kwargs):
        schedule = make(*args, **kwargs)
        bound = inspect.signature(make).bind(*args, **kwargs)
        bound.apply_defaults()
        object.__setattr__(schedule, "_made_by", (make.__name__, dict(bound.arguments)))
        return schedule

    _MAKERS[make.__name__] = remembered
    return remembered


def functions_of(progress):
    """Returns the module of `cos`, `where`, ... for a number, NumPy's, or for a tensor, Keras'."""
    return keras.ops if tf.is_tensor(progress) else np


def scalar(value, name, owner, **limits):
    """Returns `value` as a number or a schedule, or raises as `_checks.number` does.

    A schedule moves with the optimizer's steps; `Terms.at_step` gives its value. Of one of this
    package the ends are known, and must be such numbers; Keras' own are taken as they are.

    Args:
        value: Number, schedule or callable.
        name: Name of the argument.
        owner: Name of the object that it is an argument of.
        **limits: Arguments of `_checks.number`.
    """
    if not callable(value):
        return number(value, name, owner, **limits)
    if isinstance(value, Schedule):
        ends = [0.0] if value.duration == math.inf else [0.0, value.duration]
        for progress in ends:
            number(value(progress), f"{name}({progress:g})", owner, **limits)
    return value if hasattr(value, "get_config") else Schedule(value)


def _check_registered(function):
    if hasattr(function, "get_config"):
        return
    registered = keras.saving.get_registered_object(keras.saving.get_registered_name(function))
    if registered is not function:
        raise ValueError(
            "A Schedule that is saved expects a function that Keras knows. "
            f"Received: function={function!r}. Decorate it with "
            "@keras.saving.register_keras_serializable(), or take one of keras_vae.schedules."
        )
