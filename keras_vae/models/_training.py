"""The training of a `VAEModel`: compile, train_step and test_step."""

import functools
from typing import Any

import keras
import tensorflow as tf

from keras_vae import objectives
from keras_vae._checks import count
from keras_vae._distribute import over_workers, sum_over_replicas
from keras_vae._inputs import example_weights, observed_or, split_inputs
from keras_vae._kl_weight import add_kl_weight
from keras_vae._scheduled import is_scheduled
from keras_vae._types import Config, Integer
from keras_vae.models._metrics import TERMS, LossTerms, ObjectiveLog, SkippedSteps
from keras_vae.models._train_function import train_function
from keras_vae.models._update import (
    apply_gradients,
    can_be_compiled,
    entries_finite,
    restore_unless,
    true_on_all_replicas,
    values_of,
)


class VariationalTraining(keras.Model):
    """A Keras model whose loss is an objective. Subclasses give `_terms(inputs, y, training)`."""

    objective: objectives.Objective
    train_function: Any
    _objective_parts: list

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.objective = None  # type: ignore[assignment]
        self._objective_parts = []
        self.kl_weight = add_kl_weight(self)
        self._loss_terms = LossTerms()
        self._skipped_steps = SkippedSteps()
        self._objective_log = ObjectiveLog()
        self._compiles_parts = False

    def compile(
        self,
        optimizer: str | keras.optimizers.Optimizer = "adam",
        objective: objectives.Objective | str = "elbo",
        *,
        max_skipped_steps: Integer = 10,
        **kwargs: Any,
    ) -> None:
        """Configures the training.

        Args:
            optimizer: As in `keras.Model.compile`. Defaults to "adam".
            objective: A `keras_vae.objectives.Objective` or its name. Its variables, if it has
                any, are weights of the model from now on. Defaults to "elbo".
            max_skipped_steps: Integer >= 1. So many steps in a row without a finite loss and
                finite gradients end the training with an error. Defaults to 10.
            **kwargs: Further arguments of `keras.Model.compile`: `metrics` (of the target and
                the mean reconstruction, which a missing entry is taken to be equal to),
                `jit_compile`, `steps_per_execution`, ...

        Raises:
            TypeError: If the objective is of another kind.
            ValueError: If a `loss` is given: the likelihood and the objective are the loss.
        """
        for name in ("loss", "loss_weights"):
            if kwargs.pop(name, None) is not None:
                raise ValueError(
                    "VAEModel expects an objective, which is its loss. "
                    f"Received: {name} in compile(). Leave it out; the reconstruction term is "
                    "set by the likelihood: VAEModel(..., likelihood=...)."
                )
        self._set_objective(objectives._get(objective, "VAEModel", "objective"))
        self.max_skipped_steps = count(max_skipped_steps, "max_skipped_steps", "VAEModel")
        with self.distribute_strategy.scope():
            self._objective_log = ObjectiveLog(self.objective.logged)
        super().compile(optimizer=optimizer, **kwargs)
        # Keras' "auto" compiles nothing on a CPU, where XLA's convolutions are slow. What follows
        # the gradients is many passes over all weights and many small numbers: there XLA gains.
        self._compiles_parts = kwargs.get("jit_compile", "auto") == "auto"

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return [*super().metrics, *self._objective_log.metrics]

    def get_compile_config(self) -> Config:
        config = super().get_compile_config()
        if config:
            config["objective"] = keras.saving.serialize_keras_object(self.objective)
            config["max_skipped_steps"] = self.max_skipped_steps
            if self._compiles_parts:
                # Keras keeps what "auto" came to on this machine.
                config["jit_compile"] = "auto"
        return config

    def compile_from_config(self, config: Config) -> None:
        self.compile(**keras.saving.deserialize_keras_object(config))
        self._build_optimizer()

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """One step of `fit`: the objective's gradients, applied if they are finite."""
        inputs, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        statistics = values_of(self._moving_statistics())
        with tf.GradientTape() as tape:
            losses, y, y_pred = self._batch_losses(inputs, y, sample_weight, training=True)
            loss = self.optimizer.scale_loss(losses["total"])
        variables = self.trainable_variables
        gradients = tape.gradient(loss, variables)
        if all(gradient is None for gradient in gradients):
            raise ValueError(
                "VAEModel expects trainable weights that the loss depends on. Received: "
                f"{len(variables)} trainable weights, none of them with a gradient. "
                "Set trainable = True on the model or on one of its networks."
            )
        if not self.optimizer.built:
            # Inside a condition or a compiled part no variable can be made.
            self.optimizer.build(variables)
        compiled = self._compiled_parts(gradients, variables)
        finite = compiled(self._judge)(gradients, losses)
        restore_unless(finite, self._moving_statistics(), statistics)
        apply_gradients(self.optimizer, gradients, variables, finite, compiled)
        return self._logged(self.compute_metrics(inputs, y, y_pred, sample_weight))

    def _compiled_parts(self, gradients, variables):
        """Returns what the parts of a step that follow the gradients are wrapped in."""
        if self._compiles_parts and can_be_compiled(self.optimizer, gradients, variables):
            return functools.partial(tf.function, jit_compile=True, autograph=False)
        return lambda function: function

    def _judge(self, gradients, losses):
        """Returns whether the step may reach the weights, and logs it."""
        flags = [tf.math.is_finite(losses[term]) for term in TERMS]
        finite = true_on_all_replicas([*flags, entries_finite(gradients)])
        all_finite, loss_finite = tf.reduce_all(finite), tf.reduce_all(finite[:-1])
        counted = ~all_finite
        if isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
            # A loss that is finite at a scale above 1 only overflowed when it was scaled.
            scale = tf.convert_to_tensor(self.optimizer.dynamic_scale)
            counted &= ~loss_finite | (scale <= 1.0)
        self._skipped_steps.update_state(finite[:-1], all_finite, counted)
        self._update_loss_terms(losses, keep=loss_finite)
        return all_finite

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """One step of `evaluate`: the same loss, without an update.

        A loss that is not finite is shown as it is, and its batches are counted.
        """
        inputs, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        losses, y, y_pred = self._batch_losses(inputs, y, sample_weight, training=False)
        (finite,) = tf.unstack(true_on_all_replicas([tf.math.is_finite(losses["total"])]))
        self._skipped_steps.count(finite)
        self._update_loss_terms(losses)
        return self._logged(self.compute_metrics(inputs, y, y_pred, sample_weight))

    def get_metrics_result(self) -> dict[str, tf.Tensor]:
        """Returns what is logged; the model's own terms have their names before any layer's."""
        # A KLDivergenceRegularizer inside a network may log a `kl_divergence` too.
        return {**super().get_metrics_result(), **self._loss_terms.result()}

    def predict_step(self, data: Any) -> tf.Tensor:
        """One step of `predict`: the mean reconstruction from the posterior's mean."""
        inputs, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        return self(inputs, training=False)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # Keras averages the parts of the first batch to learn their shape, which fails where the
        # replicas have parts of different sizes: one of them is enough.
        if self._distribute_strategy is not None and iterator is not None:
            strategy, (_, _, batches) = self._distribute_strategy, next(iter(iterator))
            data_batch = keras.tree.map_structure(
                lambda part: strategy.experimental_local_results(part)[0], next(batches)
            )
            iterator = None
        super()._maybe_symbolic_build(iterator=iterator, data_batch=data_batch)

    def make_train_function(self, force: bool = False) -> None:
        """Makes the function that `fit` runs: Keras' own, faster, and ended by faults in a row."""
        if self.train_function is not None and not force:
            return
        # TensorFlow traces a function twice if its first trace makes variables.
        self._build_optimizer()
        super().make_train_function(force)
        train = self.train_function
        # A step of a subclass may log what no metric knows.
        if type(self).train_step is VariationalTraining.train_step:
            train = train_function(self, otherwise=train)

        def train_and_check(iterator):
            logs = train(iterator)
            # A tensor or, from older versions of Keras when a step runs eagerly, a number.
            if float(logs["skipped_steps"]):
                self._skipped_steps.raise_after(self.max_skipped_steps, self)
            return logs

        self.train_function = train_and_check

    def _batch_losses(self, inputs, y, sample_weight, training):
        """Returns the sums and contributions to the mean of one batch, the target, the prediction.

        Under a distribution strategy the contributions of the replicas add up to the mean over
        the global batch, however unevenly it is divided.
        """
        x, _ = split_inputs(inputs)
        y = x if y is None else y
        terms, y_pred = self._terms(inputs, y, training)
        y = y if y_pred is None else observed_or(y, y_pred)
        loss = self.objective(terms)
        weights = example_weights(sample_weight, loss.shape, loss.dtype)

        def summed(value):
            # An infinite loss times a weight of zero is no part of the sum.
            return tf.reduce_sum(
                value if weights is None else tf.math.multiply_no_nan(value, weights)
            )

        num_examples = tf.cast(tf.size(loss), loss.dtype)
        # Before the replicas meet: Keras keeps the losses of a layer on all of them in one list.
        penalty = self._penalty(loss.dtype)
        num_replicas = self.distribute_strategy.num_replicas_in_sync
        # What the layers of one replica add may be their share of a mean over all examples.
        global_batch_size, penalties = sum_over_replicas(num_examples, tf.stop_gradient(penalty))
        return (
            {
                # NaN without any example on any replica: such a step is skipped.
                "total": summed(loss) / global_batch_size + penalty / num_replicas,
                "loss": summed(loss) + penalties / num_replicas * num_examples,
                "reconstruction_loss": summed(terms.reconstruction_loss),
                "kl_divergence": summed(terms.kl_divergence),
                "penalty": penalty,
                "num_examples": num_examples,
                "log": {name: summed(value) for name, value in terms.log.items()},
            },
            y,
            y_pred,
        )

    def _logged(self, logs):
        """Returns the results of a step as Keras can reduce them over the replicas."""
        if not over_workers(self.distribute_strategy):
            return logs
        # Over several machines Keras takes the mean along the first axis: they need one.
        return keras.tree.map_structure(lambda value: tf.reshape(value, [1]), logs)

    def _build_optimizer(self):
        """Builds the optimizer, unless the data will yet build a part, which has no weights."""
        built = all(layer.built for layer in self._flatten_layers())
        if built and self.optimizer is not None and not self.optimizer.built:
            with self.distribute_strategy.scope():
                self.optimizer.build(self.trainable_variables)

    def _set_objective(self, objective):
        """Keeps the objective, and its layers in place of those of the objective before."""
        # Keras locks what a built model tracks. Its own Dense.enable_lora opens it in this way.
        locked = self._tracker.locked
        self._tracker.unlock()
        self._objective_parts.clear()
        self._objective_parts.extend(objective.parts())
        self.objective = objective
        if locked:
            self._tracker.lock()

    def _moving_statistics(self):
        """What a forward pass in training mode changes, as in batch normalization."""
        statistics = [v for v in self.non_trainable_weights if not is_scheduled(v)]
        for layer in self._flatten_layers():
            statistics += getattr(layer, "moving_trainable_weights", [])
        return statistics

    def _penalty(self, dtype):
        """Sum of what layers added with `add_loss` and weight regularizers."""
        losses = [tf.cast(tf.reduce_sum(loss), dtype) for loss in self.losses]
        return tf.add_n(losses or [tf.zeros((), dtype)])

    def _update_loss_terms(self, losses, keep=True):
        names = ("loss", "reconstruction_loss", "kl_divergence", "num_examples")

        def kept(value):
            return tf.where(keep, value, tf.zeros_like(value))

        self._loss_terms.update_state(*(kept(losses[name]) for name in names))
        log = {name: kept(value) for name, value in losses["log"].items()}
        self._objective_log.update_state(log, kept(losses["num_examples"]))
