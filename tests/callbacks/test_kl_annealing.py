"""KLAnnealing: the weight follows its schedule under every way of running `fit`."""

import re
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import KLAnnealing, KLDivergenceRegularizer, Sampling, VAEModel, schedules

BATCHES, BATCH_SIZE = 6, 4
X = np.random.default_rng(0).normal(size=(BATCHES * BATCH_SIZE, 5)).astype("float32")
RISE = schedules.linear(0.0, 1.0, duration=12)
RUN = schedules.linear(0.0, 1.0, duration=1.0)


class Weights(keras.callbacks.Callback):
    """Records the weight that each execution is run with."""

    def __init__(self, variable=None):
        super().__init__()
        self.variable, self.values = variable, []

    def on_train_batch_end(self, batch, logs=None):
        variable = self.model.kl_weight if self.variable is None else self.variable
        self.values.append(float(variable.numpy()))


def vae(optimizer="sgd", **compile_arguments):
    encoder = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4)])
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(5)])
    model = VAEModel(encoder, decoder, seed=1)
    model.compile(optimizer=optimizer, **compile_arguments)
    return model


def functional_model(num_levels=2):
    """A hierarchy with a regularizer at every level, each in a model of its own."""
    x = keras.Input((5,))
    hidden = x
    for level in range(num_levels):
        inner = keras.Input((5,))
        params = KLDivergenceRegularizer(name=f"level_{level}")(
            [keras.layers.Dense(5)(inner), keras.layers.Dense(5)(inner)]
        )
        part = keras.Model(inner, Sampling()(params))
        # A model in a model in the model.
        outer = keras.Input((5,))
        hidden = keras.Model(outer, part(outer))(hidden)
    model = keras.Model(x, keras.layers.Dense(5)(hidden))
    model.compile(optimizer="sgd", loss="mse")
    return model


def regularizers(model):
    return [p for p in model._flatten_layers() if isinstance(p, KLDivergenceRegularizer)]


def fit(model, *callbacks, data=X, epochs=2, **arguments):
    if isinstance(data, np.ndarray):
        arguments["batch_size"] = BATCH_SIZE
    return model.fit(data, epochs=epochs, callbacks=list(callbacks), verbose=0, **arguments)


def weights_of(model, annealing, **arguments):
    weights = Weights()
    fit(model, annealing, weights, **arguments)
    return weights.values


@pytest.mark.parametrize("run_eagerly", [False, True])
def test_follows_the_schedule_step_by_step(run_eagerly):
    model = vae(run_eagerly=run_eagerly)
    assert weights_of(model, KLAnnealing(RISE)) == pytest.approx([step / 12 for step in range(12)])
    assert float(model.kl_weight.numpy()) == 1.0


@pytest.mark.parametrize(
    ("unit", "schedule"),
    [("epoch", schedules.linear(0.0, 1.0, duration=2)), ("run", RUN)],
)
def test_units_agree(unit, schedule):
    values = weights_of(vae(), KLAnnealing(schedule, unit=unit))
    assert values == pytest.approx([step / 12 for step in range(12)])


def test_moves_once_an_execution_of_several_steps():
    values = weights_of(vae(steps_per_execution=3), KLAnnealing(RISE))
    assert values == pytest.approx([0, 3 / 12, 6 / 12, 9 / 12])


@pytest.mark.parametrize("unit", ["epoch", "run"])
def test_gradient_accumulation_does_not_slow_epochs_down(unit):
    # Four batches an update: neither an epoch of 6 batches nor the run of 12 ends with an update
    # of its own.
    schedule = schedules.linear(0.0, 1.0, duration=2 if unit == "epoch" else 1)
    optimizer = keras.optimizers.SGD(gradient_accumulation_steps=4)
    values = weights_of(vae(optimizer), KLAnnealing(schedule, unit=unit))
    assert values == pytest.approx([step / 12 for step in range(12)])


def test_gradient_accumulation_counts_updates_as_steps():
    optimizer = keras.optimizers.SGD(gradient_accumulation_steps=2)
    schedule = schedules.linear(0.0, 1.0, duration=6)
    values = weights_of(vae(optimizer), KLAnnealing(schedule))
    assert values == pytest.approx([batch // 2 / 6 for batch in range(12)])


def test_loss_scaling_has_the_clock_of_its_inner_optimizer():
    model = vae(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD()))
    values = weights_of(model, KLAnnealing(RUN, unit="run"))
    assert values == pytest.approx([step / 12 for step in range(12)])


def test_logs_the_weight_of_the_last_step_of_each_epoch():
    history = fit(vae(), KLAnnealing(RISE), validation_data=(X,)).history
    assert history["kl_weight"] == pytest.approx([5 / 12, 11 / 12])


def test_the_loss_is_weighed_by_it():
    model = vae()
    history = fit(model, KLAnnealing(schedules.constant(0.25))).history
    expected = np.array(history["reconstruction_loss"]) + 0.25 * np.array(history["kl_divergence"])
    assert history["loss"] == pytest.approx(expected, rel=1e-5)


def test_a_reloaded_model_goes_on_where_it_stopped(tmp_path):
    annealing = KLAnnealing(RUN, unit="run")
    whole = weights_of(vae(), annealing, epochs=4)

    # A run of 4 epochs that is interrupted after 2 of them.
    model, first = vae(), Weights()
    stop = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: setattr(model, "stop_training", epoch == 1)
    )
    with pytest.warns(UserWarning, match="KLAnnealing expects a run as long as its schedule"):
        fit(model, annealing, first, stop, epochs=4)
    model.save(tmp_path / "model.keras")
    model = keras.saving.load_model(tmp_path / "model.keras")
    assert float(model.kl_weight.numpy()) == pytest.approx(0.5)
    second = weights_of(model, annealing, epochs=4, initial_epoch=2)
    assert first.values + second == pytest.approx(whole)


def test_a_second_fit_goes_on_as_well():
    model, annealing = vae(), KLAnnealing(schedules.linear(0.0, 1.0, duration=24))
    with pytest.warns(UserWarning, match=r"ended at step 12 of 24, with kl_weight=0.5 in place"):
        first = weights_of(model, annealing)
    second = weights_of(model, annealing)
    assert first + second == pytest.approx([step / 24 for step in range(24)])


def unknown_length():
    return tf.data.Dataset.from_generator(
        lambda: iter(X), output_signature=tf.TensorSpec((5,))
    ).batch(BATCH_SIZE)


def test_data_of_unknown_length_by_steps():
    # Keras itself warns when such data ends.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Your input ran out of data", UserWarning)
        values = weights_of(vae(), KLAnnealing(RISE), data=unknown_length())
    assert values == pytest.approx([step / 12 for step in range(12)])


def test_data_of_unknown_length_by_epochs_has_one_after_the_first():
    schedule = schedules.linear(0.0, 1.0, duration=2)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Your input ran out of data", UserWarning)
        values = weights_of(vae(), KLAnnealing(schedule, unit="epoch"), data=unknown_length())
    assert values == pytest.approx([0.0] * 6 + [step / 12 for step in range(6, 12)])


def test_data_of_unknown_length_by_the_run_is_an_error():
    message = (
        "KLAnnealing expects data of a known length for unit='run'. Received: data without a "
        "length. Give fit(..., steps_per_epoch=...), or take unit='step'."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        fit(vae(), KLAnnealing(RUN, unit="run"), data=unknown_length())


def test_endless_data_with_steps_per_epoch():
    data = tf.data.Dataset.from_tensor_slices(X).repeat().batch(BATCH_SIZE)
    values = weights_of(vae(), KLAnnealing(RUN, unit="run"), data=data, steps_per_epoch=6)
    assert values == pytest.approx([step / 12 for step in range(12)])


def test_learning_rate_schedules_of_keras_work():
    decay = keras.optimizers.schedules.PolynomialDecay(1.0, 10, end_learning_rate=0.0)
    values = weights_of(vae(), KLAnnealing(decay))
    assert values == pytest.approx([max(0, 1 - step / 10) for step in range(12)], abs=1e-6)


def test_any_function_works():
    values = weights_of(vae(), KLAnnealing(lambda step: 2.0 * step))
    assert values == [2.0 * step for step in range(12)]


def test_moves_every_regularizer_of_nested_functional_models():
    model = functional_model()
    recorded = [Weights(layer.kl_weight) for layer in regularizers(model)]
    history = fit(model, KLAnnealing(RISE), *recorded, data=X, y=X).history
    assert len(recorded) == 2
    for weights in recorded:
        assert weights.values == pytest.approx([step / 12 for step in range(12)])
    assert history["kl_weight"] == pytest.approx([5 / 12, 11 / 12])


@pytest.mark.parametrize("as_list", [False, True])
def test_a_target_leaves_the_others_alone(as_list):
    model = functional_model()
    target, other = regularizers(model)
    annealing = KLAnnealing(RISE, target=[target] if as_list else target)
    weights = Weights(target.kl_weight)
    fit(model, annealing, weights, y=X)
    assert weights.values == pytest.approx([step / 12 for step in range(12)])
    assert float(other.kl_weight.numpy()) == 1.0


def test_two_callbacks_anneal_two_levels():
    model = functional_model()
    first, second = regularizers(model)
    fit(
        model,
        KLAnnealing(schedules.constant(0.5), target=first),
        KLAnnealing(schedules.constant(0.25), target=second),
        y=X,
    )
    assert (float(first.kl_weight.numpy()), float(second.kl_weight.numpy())) == (0.5, 0.25)


_TWO_REPLICAS = """
import sys

import keras
import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from keras_vae import KLAnnealing, LatentTraversal, VAEModel, schedules

with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    encoder = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4)])
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(5)])
    model = VAEModel(encoder, decoder)
    model.compile("sgd")
annealing = KLAnnealing(schedules.linear(0.0, 1.0, duration=1.0), unit="run")
traversal = LatentTraversal(sys.argv[1], np.ones((2, 5)))
model.fit(np.ones((16, 5)), batch_size=4, epochs=2, callbacks=[annealing, traversal], verbose=0)
print("weights", [float(weight) for weight in model.kl_weight.value.values])
"""


@pytest.mark.stress
def test_both_callbacks_work_on_two_replicas(tmp_path):
    # In a process of its own, since devices cannot be divided once TensorFlow runs.
    command = [sys.executable, "-c", _TWO_REPLICAS, str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "weights [1.0, 1.0]" in result.stdout, result.stderr
    assert len(list(tmp_path.iterdir())) == 2


def test_warns_once_of_a_run_that_is_too_short():
    annealing = KLAnnealing(schedules.linear(0.0, 1.0, duration=48))
    message = (
        "KLAnnealing expects a run as long as its schedule. Received: a run that ended at step 12 "
        "of 48, with kl_weight=0.25 in place of 1. Train longer or shorten the schedule."
    )
    with pytest.warns(UserWarning, match=re.escape(message)) as record:
        fit(vae(), annealing)
    assert len(record) == 1


def test_warns_of_a_run_that_early_stopping_cut_short():
    stopping = keras.callbacks.EarlyStopping("loss", mode="max", patience=0, min_delta=1e9)
    with pytest.warns(UserWarning, match=r"ended at run 0\.5 of 1, with kl_weight=0\.5"):
        fit(vae(), KLAnnealing(RUN, unit="run"), stopping, epochs=4)


def test_does_not_warn_of_schedules_that_ended_or_never_do():
    # Warnings are errors in these tests.
    for schedule in (schedules.linear(duration=12), schedules.linear(duration=5), lambda step: 1.0):
        fit(vae(), KLAnnealing(schedule))


def test_is_no_part_of_the_saved_model(tmp_path):
    model, plain = vae(), vae()
    fit(model, KLAnnealing(schedules.constant(1.0)))
    assert model.get_config().keys() == plain.get_config().keys()
    assert not hasattr(KLAnnealing, "get_config")
    model.save(tmp_path / "model.keras")
    keras.saving.load_model(tmp_path / "model.keras")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"schedule": 0.5},
            TypeError,
            "KLAnnealing expects a callable schedule. Received: schedule=0.5. For example "
            "schedules.linear(0.0, 1.0, duration=1000).",
        ),
        (
            {"schedule": RISE, "unit": "batch"},
            ValueError,
            "KLAnnealing expects unit to be one of 'step', 'epoch', 'run'. Received: unit='batch'.",
        ),
    ],
)
def test_errors_of_the_constructor(arguments, error, message):
    with pytest.raises(error, match=re.escape(message)):
        KLAnnealing(**arguments)


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        (lambda step: float("nan"), "Received: schedule(0)=nan. Mend the schedule."),
        (lambda step: -0.5, "Received: schedule(0)=-0.5. Mend the schedule."),
    ],
)
def test_a_schedule_must_give_weights(schedule, message):
    expected = "KLAnnealing expects a schedule of finite weights of at least 0. " + message
    with pytest.raises(ValueError, match=re.escape(expected)):
        fit(vae(), KLAnnealing(schedule))


@pytest.mark.parametrize("target", [None, "layer", []])
def test_nothing_to_move_is_an_error(target):
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(5)])
    model.compile(optimizer="sgd", loss="mse")
    target = model.layers[0] if target == "layer" else target
    message = (
        "KLAnnealing expects a VAEModel, KLDivergenceRegularizer layers, or a model with them "
        f"inside. Received: target={target!r} and a Sequential, where there is no kl_weight"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        fit(model, KLAnnealing(RISE, target=target), y=X)
