from collections.abc import Sequence

import keras

from keras_vae._types import ScheduleLike, Unit
from keras_vae.callbacks._scheduled_callback import ScheduledCallback
from keras_vae.layers import KLDivergenceRegularizer


class KLAnnealing(ScheduledCallback):
    """Moves the weight of the KL divergence along a schedule.

    A divergence that weighs fully from the first step can push the posterior onto the prior
    before the decoder has learned to use the latents. The clock is `optimizer.iterations`, so
    that a resumed run goes on where it stopped. It moves `kl_weight` before each execution
    (each step, or each `steps_per_execution` steps), logs it once an epoch, and warns if the run
    ends before the schedule does.

        kl_weight = schedule(progress)

    Args:
        schedule: Callable from progress to a weight: one of `keras_vae.schedules`, or a
            `keras.optimizers.schedules.LearningRateSchedule`.
        unit: What progress counts: "step" (updates of the weights), "epoch" (with fractions), or
            "run", the share of all epochs of `fit` in [0, 1]. Defaults to "step".
        target: The model or layer (or a list of them) with a variable `kl_weight`. Defaults to
            None: the trained model and every `KLDivergenceRegularizer` anywhere inside it.

    Raises:
        TypeError: If `schedule` is not callable.
        ValueError: If `unit` is unknown, or when training begins and there is nothing to move or
            the length of the run is unknown for "run", or if the schedule gives a weight that is
            negative or not finite.

    Reference:
        Bowman et al., "Generating Sentences from a Continuous Space", 2016, section 3.1.

    Example:
        >>> from keras_vae import schedules
        >>> annealing = KLAnnealing(schedules.linear(0.0, 1.0, duration=0.5), unit="run")
        >>> annealing.schedule(0.25)
        0.5
    """

    _name = "kl_weight"
    _values = ("finite weights of at least 0", 0.0)

    def __init__(
        self,
        schedule: ScheduleLike,
        unit: Unit = "step",
        target: keras.layers.Layer | Sequence[keras.layers.Layer] | None = None,
    ) -> None:
        super().__init__(schedule, unit)
        self.target = target

    def _find_variables(self):
        return [part.kl_weight for part in _targets(self.model, self.target)]


def _targets(model, target):
    """Returns the parts that have a `kl_weight` to move."""
    if target is None:
        layers = model._flatten_layers()
        parts = [part for part in layers if isinstance(part, KLDivergenceRegularizer)]
        parts += [model] if hasattr(model, "kl_weight") else []
    else:
        parts = list(target) if isinstance(target, (list, tuple)) else [target]
    if not parts or not all(hasattr(part, "kl_weight") for part in parts):
        raise ValueError(
            "KLAnnealing expects a VAEModel, KLDivergenceRegularizer layers, or a model with them "
            f"inside. Received: target={target!r} and a {type(model).__name__}, where there is no "
            "kl_weight to move. Put a KLDivergenceRegularizer on the parameters of the posterior."
        )
    return parts
