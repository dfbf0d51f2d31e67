"""What the callbacks that move a variable along a schedule have in common."""

import abc
import math
import warnings
from typing import Any

import keras

from keras_vae._types import ScheduleLike, Unit
from keras_vae.callbacks._clock import Clock

# A run that misses the end of its schedule by less than this share is no mistake worth a warning:
# steps that were skipped, since they were not finite, do not move the clock.
_TOLERANCE = 0.01


class ScheduledCallback(keras.callbacks.Callback, abc.ABC):
    """Gives variables the value of a schedule before each execution, and logs it once an epoch.

    Subclasses give the hook `_find_variables`, the property `_name` that the value is logged
    under, and `_values`, what a schedule may give, with the smallest of them.

    Args:
        schedule: Callable from progress to a value.
        unit: "step", "epoch" or "run".
    """

    _values = ("finite numbers", -math.inf)

    def __init__(self, schedule: ScheduleLike, unit: Unit) -> None:
        super().__init__()
        owner = type(self).__name__
        if not callable(schedule):
            raise TypeError(
                f"{owner} expects a callable schedule. "
                f"Received: schedule={schedule!r}. For example "
                "schedules.linear(0.0, 1.0, duration=1000)."
            )
        self.schedule = schedule
        self._clock = Clock(unit, owner)
        self.unit = unit

    @property
    @abc.abstractmethod
    def _name(self):
        """The name of the value in the logs."""

    @abc.abstractmethod
    def _find_variables(self):
        """Returns the variables of `self.model` that are moved, or raises."""

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._variables = self._find_variables()
        self._clock.begin(self)
        self._move()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._clock.begin_epoch(epoch)

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._move()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._clock.end_epoch()
        if logs is not None:
            logs[self._name] = self._value

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._move()
        progress = self._clock.progress()
        # Other callables end where they please.
        duration = getattr(self.schedule, "duration", math.inf)
        if math.isfinite(duration) and progress < duration * (1 - _TOLERANCE):
            warnings.warn(
                f"{type(self).__name__} expects a run as long as its schedule. Received: a run "
                f"that ended at {self.unit} {progress:g} of {duration:g}, with "
                f"{self._name}={self._value:g} in place of {self.schedule(duration):g}. Train "
                "longer or shorten the schedule.",
                stacklevel=2,
            )

    def _move(self):
        progress = self._clock.progress()
        value = float(self.schedule(progress))
        what, smallest = self._values
        if not (math.isfinite(value) and value >= smallest):
            raise ValueError(
                f"{type(self).__name__} expects a schedule of {what}. "
                f"Received: schedule({progress:g})={value:g}. Mend the schedule."
            )
        self._value = value
        for variable in self._variables:
            variable.assign(value)
