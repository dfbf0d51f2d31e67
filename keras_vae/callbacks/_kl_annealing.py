import math
import warnings

import keras

from keras_vae._checks import choice
from keras_vae.layers import KLDivergenceRegularizer

_UNITS = ("step", "epoch", "run")
# A run that misses the end of its schedule by less than this share is no mistake worth a warning:
# steps that were skipped, since they were not finite, do not move the clock.
_TOLERANCE = 0.01


class KLAnnealing(keras.callbacks.Callback):
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

    def __init__(self, schedule, unit="step", target=None):
        super().__init__()
        if not callable(schedule):
            raise TypeError(
                "KLAnnealing expects a callable schedule. "
                f"Received: schedule={schedule!r}. For example "
                "schedules.linear(0.0, 1.0, duration=1000)."
            )
        self.schedule = schedule
        self.unit = choice(unit, "unit", "KLAnnealing", _UNITS)
        self.target = target

    def on_train_begin(self, logs=None):
        self._variables = [part.kl_weight for part in _targets(self.model, self.target)]
        self._batches_per_epoch = self.params.get("steps")
        if self.unit == "run" and self._batches_per_epoch is None:
            raise ValueError(
                "KLAnnealing expects data of a known length for unit='run'. "
                "Received: data without a length. Give fit(..., steps_per_epoch=...), or take "
                "unit='step'."
            )
        self._epoch = 0
        self._move()

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch
        self._batches_before = self._num_batches()

    def on_train_batch_begin(self, batch, logs=None):
        self._move()

    def on_epoch_end(self, epoch, logs=None):
        if self._batches_per_epoch is None:
            # Data without a length has one after its first epoch.
            self._batches_per_epoch = (self._num_batches() - self._batches_before) or None
        if logs is not None:
            logs["kl_weight"] = self._weight

    def on_train_end(self, logs=None):
        self._move()
        progress = self._progress()
        # Other callables end where they please.
        duration = getattr(self.schedule, "duration", math.inf)
        if math.isfinite(duration) and progress < duration * (1 - _TOLERANCE):
            warnings.warn(
                "KLAnnealing expects a run as long as its schedule. Received: a run that ended "
                f"at {self.unit} {progress:g} of {duration:g}, with kl_weight={self._weight:g} in "
                f"place of {self.schedule(duration):g}. Train longer or shorten the schedule.",
                stacklevel=2,
            )

    def _move(self):
        progress = self._progress()
        weight = float(self.schedule(progress))
        if not (math.isfinite(weight) and weight >= 0):
            raise ValueError(
                "KLAnnealing expects a schedule of finite weights of at least 0. "
                f"Received: schedule({progress:g})={weight:g}. Mend the schedule."
            )
        self._weight = weight
        for variable in self._variables:
            variable.assign(weight)

    def _progress(self):
        if self.unit == "step":
            return int(self.model.optimizer.iterations.numpy())
        if self._batches_per_epoch is None:
            return self._epoch
        epochs = self._num_batches() / self._batches_per_epoch
        return epochs if self.unit == "epoch" else epochs / self.params["epochs"]

    def _num_batches(self):
        """Returns the number of batches that the optimizer has seen.

        With gradient accumulation several of them make one of its `iterations`.
        """
        optimizer = self.model.optimizer
        return int(getattr(optimizer, "inner_optimizer", optimizer)._iterations.numpy())


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
