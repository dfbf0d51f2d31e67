"""Schedules: pure functions of training progress.

A schedule maps progress (steps, epochs, or the share of a run, as its user counts) to a value.
Each knows its `duration`, the progress after which the value no longer changes. `KLAnnealing` moves
a variable along one; every number of an objective or a penalty may be one in its place.
"""

import itertools
import math
from collections.abc import Sequence

from keras_vae._checks import count, items, number
from keras_vae._schedule import Schedule, functions_of, saved_by_name
from keras_vae._types import Integer, Number, ScheduleLike

__all__ = ["Schedule", "constant", "cosine", "cyclical", "join", "linear", "sigmoid"]


@saved_by_name
def constant(value: Number) -> Schedule:
    """Returns a schedule that never changes.

    Args:
        value: Number >= 0.

    Example:
        >>> constant(0.5)(100)
        0.5
    """
    value = number(value, "value", "constant")
    return Schedule(lambda progress: value, 0.0)


@saved_by_name
def linear(start: Number = 0.0, end: Number = 1.0, duration: Number = 1.0) -> Schedule:
    """Returns a schedule that goes from `start` to `end` in a straight line.

        value = start + (end - start) * progress / duration

    Args:
        start: Number >= 0. Defaults to 0.0.
        end: Number >= 0. Defaults to 1.0.
        duration: Number >= 0, progress at which `end` is reached. Defaults to 1.0.

    Reference:
        Bowman et al., "Generating Sentences from a Continuous Space", 2016, section 3.1; Sonderby
        et al., "Ladder Variational Autoencoders", 2016, section 2.3.

    Example:
        >>> [linear(0.0, 1.0, duration=100)(step) for step in (0, 50, 100, 150)]
        [0.0, 0.5, 1.0, 1.0]
    """
    return _shaped("linear", lambda share: share, start, end, duration)


@saved_by_name
def cosine(start: Number = 0.0, end: Number = 1.0, duration: Number = 1.0) -> Schedule:
    """Returns a schedule that goes from `start` to `end` along half a cosine, flat at both ends.

        value = start + (end - start) * (1 - cos(pi * progress / duration)) / 2

    Args:
        start: Number >= 0. Defaults to 0.0.
        end: Number >= 0. Defaults to 1.0.
        duration: Number >= 0, progress at which `end` is reached. Defaults to 1.0.

    Example:
        >>> [round(cosine(0.0, 1.0, duration=100)(step), 3) for step in (0, 25, 50, 100)]
        [0.0, 0.146, 0.5, 1.0]
    """

    def shape(share):
        return 0.5 * (1 - functions_of(share).cos(math.pi * share))

    return _shaped("cosine", shape, start, end, duration)


@saved_by_name
def sigmoid(
    start: Number = 0.0, end: Number = 1.0, duration: Number = 1.0, steepness: Number = 10.0
) -> Schedule:
    """Returns a schedule that goes from `start` to `end` along a logistic curve.

    The curve is stretched so that it passes through both ends.

        s(t) = 1 / (1 + exp(-steepness * (t - 1/2)))
        value = start + (end - start) * (s(t) - s(0)) / (s(1) - s(0)),  t = progress / duration

    Args:
        start: Number >= 0. Defaults to 0.0.
        end: Number >= 0. Defaults to 1.0.
        duration: Number >= 0, progress at which `end` is reached. Defaults to 1.0.
        steepness: Number >= 0.001. Defaults to 10.0.

    Reference:
        Bowman et al., "Generating Sentences from a Continuous Space", 2016, figure 2.

    Example:
        >>> [round(sigmoid(0.0, 1.0, duration=100)(step), 3) for step in (0, 25, 50, 100)]
        [0.0, 0.07, 0.5, 1.0]
    """
    steepness = number(steepness, "steepness", "sigmoid", minimum=1e-3)

    def shape(share):
        curve = functions_of(share).tanh(0.5 * steepness * (share - 0.5))
        return 0.5 * (1 + curve / math.tanh(0.25 * steepness))

    return _shaped("sigmoid", shape, start, end, duration)


@saved_by_name
def cyclical(
    start: Number = 0.0,
    end: Number = 1.0,
    duration: Number = 1.0,
    num_cycles: Integer = 4,
    ratio: Number = 0.5,
) -> Schedule:
    """Returns a schedule that rises from `start` to `end` several times.

    In each cycle the value rises in a straight line for the share `ratio` of the cycle and then
    stays at `end`. It ends at `end`.

    Args:
        start: Number >= 0. Defaults to 0.0.
        end: Number >= 0. Defaults to 1.0.
        duration: Number >= 0, progress at which the last cycle ends. Defaults to 1.0.
        num_cycles: Integer >= 1. Defaults to 4.
        ratio: Number in [0, 1]. Defaults to 0.5.

    Reference:
        Fu et al., "Cyclical Annealing Schedule", 2019, equations 6 and 7.

    Example:
        >>> schedule = cyclical(0.0, 1.0, duration=100, num_cycles=2)
        >>> [schedule(step) for step in (0, 10, 25, 49, 50, 75, 100)]
        [0.0, 0.4, 1.0, 1.0, 0.0, 1.0, 1.0]
    """
    num_cycles = count(num_cycles, "num_cycles", "cyclical")
    ratio = number(ratio, "ratio", "cyclical")
    if ratio > 1:
        raise ValueError(
            f"cyclical expects a ratio in [0, 1]. Received: ratio={ratio!r}. It is the share of "
            "a cycle in which the value rises."
        )
    rise = _shaped("cyclical", lambda share: share, start, end, ratio)
    duration = number(duration, "duration", "cyclical")
    divisor = duration or 1.0

    def function(progress):
        # Multiplied first, so that whole steps give whole cycles without a rounding error.
        share = progress * num_cycles % divisor / divisor
        return rise(functions_of(progress).where(progress >= duration, 1.0, share))

    return Schedule(function, duration)


@saved_by_name
def join(schedules: Sequence[ScheduleLike], boundaries: Sequence[Number]) -> Schedule:
    """Returns schedules one after the other, each with a clock that starts at its boundary.

    Args:
        schedules: List of schedules.
        boundaries: Increasing numbers, one less than schedules: where the next one begins.

    Raises:
        TypeError: If something in the list is no schedule.
        ValueError: If the numbers of schedules and boundaries do not fit, or if the boundaries
            do not increase.

    Example:
        >>> warm_up = join([constant(0.0), linear(0.0, 1.0, duration=10)], boundaries=[5])
        >>> [warm_up(epoch) for epoch in (0, 4, 5, 10, 15)]
        [0.0, 0.0, 0.0, 0.5, 1.0]
    """
    schedules = items(schedules, "schedules", "join")
    if not schedules or not all(callable(schedule) for schedule in schedules):
        raise TypeError(
            "join expects a list of schedules. "
            f"Received: schedules={schedules!r}. For example join([first, second], [10])."
        )
    boundaries = [
        number(boundary, "boundaries", "join")
        for boundary in items(boundaries, "boundaries", "join")
    ]
    increasing = all(a < b for a, b in itertools.pairwise(boundaries))
    if len(boundaries) != len(schedules) - 1 or not increasing:
        raise ValueError(
            "join expects one boundary between each two schedules, in increasing order. "
            f"Received: {len(schedules)} schedules and boundaries={boundaries!r}. "
            "For example join([first, second], boundaries=[10])."
        )

    def function(progress):
        select = functions_of(progress)
        value = schedules[0](progress)
        for schedule, begin in zip(schedules[1:], boundaries, strict=True):
            later = schedule(select.maximum(progress - begin, 0.0))
            value = select.where(progress >= begin, later, value)
        return value

    # Callables of another kind do not say when they end.
    last = getattr(schedules[-1], "duration", math.inf)
    return Schedule(function, sum(boundaries[-1:]) + last)


def _shaped(owner, shape, start, end, duration):
    start, end = number(start, "start", owner), number(end, "end", owner)
    duration = number(duration, "duration", owner)

    def function(progress):
        share = progress / duration if duration else 1.0
        return start + (end - start) * shape(share)

    return Schedule(function, duration)
