import warnings

import keras

from keras_vae._checks import choice
from keras_vae.layers import KLDivergenceRegularizer

_UNITS = ("step", "epoch", "run")


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
        unit: What progress counts: "step", "epoch" (with fractions), or "run", the share of all
            epochs of `fit` in [0, 1]. Defaults to "step".
        target: The model or layer (or a list of them) with a variable `kl_weight`. Defaults to
            None: the trained model and every `KLDivergenceRegularizer` anywhere inside it.

    Raises:
        TypeError: If `schedule` is not callable.
        ValueError: If `unit` is unknown, or when training begins and there is nothing to move or
            the length of the run is unknown for "run".

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
        self._variables = ()

    def on_train_begin(self, logs=None):
        self._variables = [part.kl_weight for part in _targets(self.model, self.target)]
        self._steps = self.params.get("steps")
        if self.unit == "run" and self._steps is None:
            raise ValueError(
                "KLAnnealing expects to know the length of the run for unit='run'. "
                "Received: data without a length. Give fit(..., steps_per_epoch=...), or take "
                "unit='step'."
            )
        self._epoch = 0
        self._move()

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch
        self._first_step = self._iterations()

    def on_train_batch_begin(self, batch, logs=None):
        self._move()

    def on_epoch_end(self, epoch, logs=None):
        if self._steps is None:
            # Data without a length has one after its first epoch.
            self._steps = self._iterations() - self._first_step
        if logs is not None:
            logs["kl_weight"] = self._weight

    def on_train_end(self, logs=None):
        self._move()
        progress = self._progress()
        duration = getattr(self.schedule, "duration", 0.0)
        # A share of a run that was counted in steps may miss 1 by a rounding error.
        if progress < duration * (1 - 1e-6):
            warnings.warn(
                f"KLAnnealing expects a run as long as its schedule. Received: a run that ended "
                f"at {self.unit} {progress:g} of {duration:g}, with kl_weight={self._weight:g} in "
                f"place of {self.schedule(duration):g}. Train longer or shorten the schedule.",
                stacklevel=2,
            )

    def _move(self):
        self._weight = float(self.schedule(self._progress()))
        for variable in self._variables:
            variable.assign(self._weight)

    def _progress(self):
        step = self._iterations()
        if self.unit == "step":
            return step
        if self._steps is None:
            return self._epoch
        epochs = step / self._steps
        return epochs if self.unit == "epoch" else epochs / self.params["epochs"]

    def _iterations(self):
        return int(self.model.optimizer.iterations.numpy())


def _targets(model, target):
    """Returns the parts that have a `kl_weight` to move."""
    if target is not None:
        parts = list(target) if isinstance(target, (list, tuple)) else [target]
    else:
        layers = model._flatten_layers()
        parts = [p for p in layers if p is model or isinstance(p, KLDivergenceRegularizer)]
        parts = [part for part in parts if hasattr(part, "kl_weight")]
    if not parts or not all(hasattr(part, "kl_weight") for part in parts):
        raise ValueError(
            "KLAnnealing expects a VAEModel, or a model with KLDivergenceRegularizer layers. "
            f"Received: target={target!r} and a model without a kl_weight to move. "
            "Put a KLDivergenceRegularizer on the parameters of the posterior."
        )
    return parts
