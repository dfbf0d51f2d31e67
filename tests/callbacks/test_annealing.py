"""Annealing: any scalar variable follows its schedule. The clock is tested with KLAnnealing."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import VAEModel, families, priors, schedules
from keras_vae.callbacks import Annealing, KLAnnealing

BATCHES, BATCH_SIZE = 6, 4
X = np.random.default_rng(0).normal(size=(BATCHES * BATCH_SIZE, 5)).astype("float32")
FALL = schedules.linear(1.0, 0.4, duration=12)
EXPECTED = [1.0 - 0.05 * step for step in range(12)]


class Values(keras.callbacks.Callback):
    """Records the value that each execution is run with."""

    def __init__(self, variable):
        super().__init__()
        self.variable, self.values = variable, []

    def on_train_batch_end(self, batch, logs=None):
        self.values.append(float(self.variable.numpy()))


class Scale(keras.layers.Layer):
    """Multiplies by a variable of a user's own."""

    def __init__(self, trainable_factor=False):
        super().__init__()
        self.factor = self.add_weight(name="factor", initializer="ones", trainable=trainable_factor)

    def call(self, x):
        return x * self.factor


def vae(*layers, **compile_arguments):
    encoder = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3), *layers])
    decoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(5)])
    posterior = families.RelaxedOneHotCategorical(3, temperature=1.0)
    prior = priors.UniformCategorical(3)
    model = VAEModel(encoder, decoder, posterior, prior=prior, seed=1)
    model.compile(**{"optimizer": "sgd", **compile_arguments})
    return model


def fit(model, variable, *callbacks, data=X, epochs=2, **arguments):
    """Returns the values of the variable at each execution, and the logs."""
    values = Values(variable)
    callbacks = [*callbacks, values]
    history = model.fit(
        data, batch_size=BATCH_SIZE, epochs=epochs, callbacks=callbacks, verbose=0, **arguments
    )
    return values.values, history.history


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_temperature_follows_the_schedule(jit_compile):
    model = vae(jit_compile=jit_compile)
    temperature = model.posterior.temperature
    values, logs = fit(model, temperature, Annealing(temperature, FALL))
    assert values == pytest.approx(EXPECTED)
    assert logs["temperature"] == pytest.approx([EXPECTED[5], EXPECTED[11]])
    assert float(temperature.numpy()) == pytest.approx(0.4)
    assert logs["skipped_steps"] == [0, 0]


def test_the_compiled_step_uses_the_moved_value():
    """A frozen model at a high temperature and then at a low one: the samples differ."""
    losses = []
    for value in (1e4, 1e-3, 1e4):
        model = vae(optimizer=keras.optimizers.SGD(0.0))
        model.decoder.layers[-1].kernel.assign(10.0 * tf.eye(3, 5))
        temperature = model.posterior.temperature
        schedule = schedules.join([schedules.constant(1.0), schedules.constant(value)], [6])
        _, logs = fit(model, temperature, Annealing(temperature, schedule))
        losses.append(logs["reconstruction_loss"][1])
    # Uniform samples have a third of every column, one-hot ones all of one.
    assert losses[0] == pytest.approx(losses[2], rel=1e-3)
    assert losses[1] > losses[0] + 5.0


def test_moves_once_an_execution_of_several_steps():
    model = vae(steps_per_execution=3)
    temperature = model.posterior.temperature
    values, _ = fit(model, temperature, Annealing(temperature, FALL))
    assert values == pytest.approx(EXPECTED[::3])


@pytest.mark.parametrize(
    ("unit", "duration"), [("step", 24), ("epoch", 4), ("run", 1.0)], ids=lambda value: str(value)
)
def test_a_reloaded_model_goes_on_where_it_stopped(unit, duration, tmp_path):
    model = vae()
    schedule = schedules.linear(1.0, 0.4, duration=duration)

    def annealing(model):
        return Annealing(model.posterior.temperature, schedule, unit=unit)

    stop = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: setattr(model, "stop_training", epoch == 1)
    )
    message = r"Annealing expects a run as long as its schedule.* with temperature=0\.7 in place"
    with pytest.warns(UserWarning, match=message):
        first, _ = fit(model, model.posterior.temperature, annealing(model), stop, epochs=4)
    model.save(tmp_path / "model.keras")
    model = keras.saving.load_model(tmp_path / "model.keras")
    temperature = model.posterior.temperature
    assert float(temperature.numpy()) == pytest.approx(0.7)
    second, _ = fit(model, temperature, annealing(model), epochs=4, initial_epoch=2)
    assert first + second == pytest.approx([1.0 - 0.025 * step for step in range(24)])


def test_steps_that_are_skipped_leave_the_schedule_alone():
    """They do not move the clock, and what they restore is not the variable that is moved."""
    model = vae(Scale())
    temperature, factor = model.posterior.temperature, model.encoder.layers[-1].factor
    statistics = {variable.path for variable in model._moving_statistics()}
    scheduled = {variable.path for variable in model.non_trainable_weights} - statistics
    assert scheduled == {model.kl_weight.path, temperature.path}
    x = X.copy()
    x[9, 2] = np.inf
    record = Values(factor)
    schedule = schedules.linear(1.0, 0.5, duration=10)
    callbacks = [Annealing(temperature, schedule), Annealing(factor, schedule), record]
    values, logs = fit(model, temperature, *callbacks, data=x, shuffle=False)
    assert logs["skipped_steps"] == [1, 1]
    steps = [0, 1, 2, 2, 3, 4, 5, 6, 7, 7, 8, 9]
    assert values == pytest.approx([EXPECTED[step] for step in steps])
    assert record.values == pytest.approx(values)


def test_moves_variables_of_the_optimizer_and_of_any_model():
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(5), Scale()])
    model.compile(optimizer="sgd", loss="mse")
    factor, rate = model.layers[-1].factor, model.optimizer.learning_rate
    values, logs = fit(
        model, factor, Annealing(factor, FALL), Annealing(rate, schedules.constant(0.125)), y=X
    )
    assert values == pytest.approx(EXPECTED)
    assert logs["learning_rate"] == [0.125, 0.125]


def test_it_goes_with_kl_annealing():
    model = vae()
    temperature = model.posterior.temperature
    callbacks = [Annealing(temperature, FALL), KLAnnealing(schedules.linear(duration=12))]
    values, logs = fit(model, temperature, *callbacks)
    assert values == pytest.approx(EXPECTED)
    assert logs["kl_weight"] == pytest.approx([5 / 12, 11 / 12])


def test_warns_of_a_run_that_is_too_short():
    model = vae()
    annealing = Annealing(model.posterior.temperature, schedules.linear(1.0, 0.2, duration=48))
    message = (
        "Annealing expects a run as long as its schedule. Received: a run that ended at step 12 "
        "of 48, with temperature=0.8 in place of 0.2. Train longer or shorten the schedule."
    )
    with pytest.warns(UserWarning, match=re.escape(message)) as record:
        fit(model, model.posterior.temperature, annealing)
    assert len(record) == 1


def test_a_schedule_must_give_numbers():
    model = vae()
    annealing = Annealing(model.posterior.temperature, lambda step: float("nan"))
    message = (
        "Annealing expects a schedule of finite numbers. Received: schedule(0)=nan. "
        "Mend the schedule."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        fit(model, model.posterior.temperature, annealing)


def test_data_of_unknown_length_by_the_run_is_an_error():
    model = vae()
    data = tf.data.Dataset.from_generator(lambda: iter(X), output_signature=tf.TensorSpec((5,)))
    annealing = Annealing(model.posterior.temperature, FALL, unit="run")
    with pytest.raises(ValueError, match=r"Annealing expects data of a known length for unit='run"):
        model.fit(data.batch(4), callbacks=[annealing], verbose=0)


def test_a_variable_of_another_model_is_an_error():
    model, other = vae(), vae()
    message = (
        "Annealing expects a variable of the model that is trained. Received: "
        f"variable={other.posterior.temperature.path!r}, which is none of the VAEModel "
        f"{model.name!r}. Take it from that model"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        fit(model, model.kl_weight, Annealing(other.posterior.temperature, FALL))


def test_a_variable_that_is_trained_is_an_error():
    model = vae(Scale(trainable_factor=True))
    factor = model.encoder.layers[-1].factor
    message = (
        "Annealing expects a variable that the optimizer leaves alone. Received: "
        f"variable={factor.path!r}, which is trained. Make it with trainable=False."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        fit(model, factor, Annealing(factor, FALL))


@pytest.mark.parametrize(
    ("variable", "error", "message"),
    [
        (0.5, TypeError, "Annealing expects a Keras variable. Received: variable=0.5. For example"),
        (
            keras.Variable([1.0, 2.0], name="two"),
            ValueError,
            "Annealing expects a scalar variable of a floating-point type. Received: "
            "variable='two' of shape (2,) and type float32. Give a variable that is one number.",
        ),
        (keras.Variable(1, dtype="int32", name="one"), ValueError, "of shape () and type int32."),
    ],
    ids=["number", "vector", "integer"],
)
def test_errors_of_the_variable(variable, error, message):
    with pytest.raises(error, match=re.escape(message)):
        Annealing(variable, FALL)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"schedule": 0.5}, TypeError, "Annealing expects a callable schedule. Received: sched"),
        ({"unit": "batch"}, ValueError, "Annealing expects unit to be one of 'step', 'epoch', "),
    ],
)
def test_errors_of_the_other_arguments(arguments, error, message):
    variable = keras.Variable(1.0, name="one")
    with pytest.raises(error, match=re.escape(message)):
        Annealing(variable, **{"schedule": FALL, **arguments})
