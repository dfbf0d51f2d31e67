"""What a `VAEModel` logs."""

import keras
import tensorflow as tf

TERMS = ("reconstruction_loss", "kl_divergence", "penalty", "total")
# What is at fault if a term is the first that is not finite; with finite terms, the objective
# itself; with a finite loss, its derivative.
_FAULTS = ("reconstruction", "KL", "penalty", "objective", "gradient")


class LossTerms(keras.metrics.Metric):
    """Means over the examples of an epoch: `loss`, `reconstruction_loss`, `kl_divergence`, `elbo`.

    Sums and the number of examples are one variable, updated at once. Without any finite step
    the means are NaN, not 0.
    """

    def __init__(self, name="loss_terms", **kwargs):
        super().__init__(name=name, dtype="float32", **kwargs)
        self.sums = self.add_variable(shape=(4,), initializer="zeros", name="sums")

    def update_state(self, loss, reconstruction_loss, kl_divergence, num_examples):
        """Adds the sums over the examples of a batch."""
        values = (loss, reconstruction_loss, kl_divergence, num_examples)
        self.sums.assign_add(tf.stack([tf.cast(value, tf.float32) for value in values]))

    def reset_state(self):
        self.sums.assign(tf.zeros(4))

    def result(self):
        sums = tf.convert_to_tensor(self.sums)
        loss, reconstruction_loss, kl_divergence = tf.unstack(sums[:3] / sums[3])
        return {
            "loss": loss,
            "reconstruction_loss": reconstruction_loss,
            "kl_divergence": kl_divergence,
            # Always at a KL weight of 1.
            "elbo": -(reconstruction_loss + kl_divergence),
        }


class ObjectiveLog:
    """Means of what an objective logs beside the usual terms, one metric a name.

    A plain object: Keras lets a built model have no new metrics as attributes, and an objective
    may come with every `compile`.
    """

    def __init__(self, names=()):
        self.metrics = [keras.metrics.Mean(name=name, dtype="float32") for name in names]

    def update_state(self, log, num_examples):
        """Adds the sums over the examples of a batch, a scalar for each name."""
        # Without examples the mean has no weight, but must be a number.
        divisor = tf.maximum(num_examples, 1.0)
        for metric in self.metrics:
            metric.update_state(log[metric.name] / divisor, sample_weight=num_examples)


class SkippedSteps(keras.metrics.Metric):
    """Number of steps of an epoch whose loss or gradient was not finite.

    Keeps as well, across epochs, how many came in a row and which term was at fault, for
    `raise_after`.
    """

    def __init__(self, name="skipped_steps", **kwargs):
        super().__init__(name=name, dtype="float32", **kwargs)
        self.total = self._scalar("total")
        self.in_a_row = self._scalar("in_a_row")
        self.fault = self._scalar("fault")

    def update_state(self, terms_finite, applied, counted):
        """Counts a step.

        Args:
            terms_finite: Boolean vector, whether each of `TERMS` is finite.
            applied: Boolean, whether the step reached the weights.
            counted: Boolean, whether a step that did not is a fault. (An overflow of the loss
                scale is not: the scale is lowered until the step fits.)
        """
        self.count(applied)
        in_a_row = tf.convert_to_tensor(self.in_a_row)
        in_a_row = tf.where(counted, in_a_row + 1.0, in_a_row)
        self.in_a_row.assign(tf.where(applied, 0.0, in_a_row))
        finite = tf.concat([terms_finite, [False]], axis=0)
        fault = tf.cast(tf.argmin(tf.cast(finite, tf.int32)), tf.float32)
        self.fault.assign(tf.where(applied, tf.convert_to_tensor(self.fault), fault))

    def count(self, finite):
        """Adds one to the number unless `finite`."""
        self.total.assign_add(tf.where(finite, 0.0, 1.0))

    def reset_state(self):
        self.total.assign(0.0)

    def result(self):
        return tf.convert_to_tensor(self.total)

    def raise_after(self, limit, model):
        """Raises a ValueError if `limit` steps in a row of `model` were not finite."""
        in_a_row = int(self.in_a_row.numpy())
        if in_a_row < limit:
            return
        self.in_a_row.assign(0.0)
        fault, step = _FAULTS[int(self.fault.numpy())], int(model.optimizer.iterations.numpy())
        raise ValueError(
            "VAEModel expects a finite loss and finite gradients. Received: a non-finite "
            f"{fault} term in {in_a_row} steps in a row, after step {step}; they changed no "
            "weight. Look for infinities in the data and for data outside the support of "
            f"{model.likelihood!r}, or lower the learning rate."
        )

    def _scalar(self, name):
        # Every replica counts the same global steps: one of them speaks for all.
        return self.add_variable(
            shape=(), initializer="zeros", aggregation="only_first_replica", name=name
        )
