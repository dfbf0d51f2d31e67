import keras
import tensorflow as tf

from keras_vae._types import ScheduleLike, Unit
from keras_vae.callbacks._scheduled_callback import ScheduledCallback


class Annealing(ScheduledCallback):
    """Moves a scalar variable of the model along a schedule, such as a temperature.

    The clock is that of `KLAnnealing`: `optimizer.iterations`, so that a resumed run goes on where
    it stopped. It moves the variable before each execution (each step, or each
    `steps_per_execution` steps), logs it under its name once an epoch, and warns if the run ends
    before the schedule does.

        variable = schedule(progress)

    Args:
        variable: Scalar variable of the trained model or of its optimizer, not trainable: for
            example `model.posterior.temperature` of a `families.RelaxedOneHotCategorical`.
        schedule: Callable from progress to a value: one of `keras_vae.schedules`, or a
            `keras.optimizers.schedules.LearningRateSchedule`.
        unit: What progress counts: "step" (updates of the weights), "epoch" (with fractions), or
            "run", the share of all epochs of `fit` in [0, 1]. Defaults to "step".

    Raises:
        TypeError: If `schedule` is not callable, or `variable` is no Keras variable.
        ValueError: If `unit` is unknown or `variable` no floating-point scalar, or when training
            begins and the model does not have the variable, the optimizer trains it, or the length
            of the run is unknown for "run", or if the schedule gives a value that is not finite.

    Reference:
        Jang, Gu and Poole, "Categorical Reparameterization with Gumbel-Softmax", 2017, section
        4.1 (a temperature that is annealed).

    Example:
        >>> from keras_vae import families, schedules
        >>> posterior = families.RelaxedOneHotCategorical((4, 10), temperature=1.0)
        >>> schedule = schedules.linear(1.0, 0.3, duration=5000)
        >>> annealing = Annealing(posterior.temperature, schedule)
    """

    def __init__(
        self, variable: keras.Variable, schedule: ScheduleLike, unit: Unit = "step"
    ) -> None:
        super().__init__(schedule, unit)
        self.variable = _check_scalar(variable)

    @property
    def _name(self):
        return self.variable.name

    def _find_variables(self):
        model, variable = self.model, self.variable
        if not _contains([*model.variables, *model.optimizer.variables], variable):
            raise ValueError(
                "Annealing expects a variable of the model that is trained. Received: "
                f"variable={variable.path!r}, which is none of the {type(model).__name__} "
                f"{model.name!r}. Take it from that model, such as model.posterior.temperature; a "
                "model read from a file has variables of its own."
            )
        if _contains(model.trainable_variables, variable):
            raise ValueError(
                "Annealing expects a variable that the optimizer leaves alone. Received: "
                f"variable={variable.path!r}, which is trained. Make it with trainable=False."
            )
        return [variable]


def _check_scalar(variable):
    if not isinstance(variable, keras.Variable):
        raise TypeError(
            f"Annealing expects a Keras variable. Received: variable={variable!r}. "
            "For example model.posterior.temperature or model.kl_weight."
        )
    if variable.shape != () or not tf.as_dtype(variable.dtype).is_floating:
        raise ValueError(
            "Annealing expects a scalar variable of a floating-point type. Received: "
            f"variable={variable.path!r} of shape {tuple(variable.shape)} and type "
            f"{variable.dtype}. Give a variable that is one number."
        )
    return variable


def _contains(variables, variable):
    # Not `in`, which compares values.
    return any(other is variable for other in variables)
