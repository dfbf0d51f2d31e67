"""The clock of the callbacks that follow a schedule."""

from keras_vae._checks import choice

UNITS = ("step", "epoch", "run")


class Clock:
    """The progress of `fit`: in updates of the weights, in epochs, or as the share of the run.

    Steps are `optimizer.iterations`, so that a resumed run goes on where it stopped.

    Args:
        unit: "step", "epoch" (with fractions) or "run" (in [0, 1]).
        owner: Name of the callback, for errors.
    """

    def __init__(self, unit, owner):
        self.unit = choice(unit, "unit", owner, UNITS)
        self._owner = owner

    def begin(self, callback):
        """Starts with the training of the callback's model."""
        self._model, self._params = callback.model, callback.params
        self._batches_per_epoch = self._params.get("steps")
        if self.unit == "run" and self._batches_per_epoch is None:
            raise ValueError(
                f"{self._owner} expects data of a known length for unit='run'. "
                "Received: data without a length. Give fit(..., steps_per_epoch=...), or take "
                "unit='step'."
            )
        self._epoch = 0

    def begin_epoch(self, epoch):
        """Notes the number of epochs that are over, those of an earlier run among them."""
        self._epoch = epoch
        self._batches_before = self._num_batches()

    def end_epoch(self):
        """Notes the length of the data: data without a length has one after its first epoch."""
        if self._batches_per_epoch is None:
            self._batches_per_epoch = (self._num_batches() - self._batches_before) or None

    def progress(self):
        """Returns what the schedule is a function of."""
        if self.unit == "step":
            return int(self._model.optimizer.iterations.numpy())
        if self._batches_per_epoch is None:
            return self._epoch
        epochs = self._num_batches() / self._batches_per_epoch
        return epochs if self.unit == "epoch" else epochs / self._params["epochs"]

    def _num_batches(self):
        """Returns the number of batches that the optimizer has seen.

        With gradient accumulation several of them make one of its `iterations`.
        """
        optimizer = self._model.optimizer
        return int(getattr(optimizer, "inner_optimizer", optimizer)._iterations.numpy())
