"""Objectives and penalties that hold variables: the model trains, restores and saves them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import VAEModel
from keras_vae.objectives import DIP, ELBO, Objective, Penalized, Penalty

register = keras.saving.register_keras_serializable("test_vae_model_objective_state")


@register
class Temperature(Objective, keras.layers.Layer):
    """An ELBO with a trainable factor and a count of its calls."""

    def __init__(self, start=2.0, **kwargs):
        keras.layers.Layer.__init__(self, **kwargs)
        self.start = start
        constant = keras.initializers.Constant(start)
        self.factor = self.add_weight(name="factor", shape=(), initializer=constant)
        self.calls = self.add_weight(
            name="calls",
            shape=(),
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )
        self.built = True

    def __call__(self, terms):
        self.calls.assign_add(1.0)
        return self.factor * ELBO()(terms) + tf.square(self.factor)

    def get_config(self):
        return {**keras.layers.Layer.get_config(self), "start": self.start}


@register
class Critic(Penalty, keras.layers.Layer):
    """A penalty with a network of its own."""

    name = "critic"

    def __init__(self, weight, units=3, **kwargs):
        keras.layers.Layer.__init__(self, **{"name": self.name, **kwargs})
        Penalty.__init__(self, weight)
        self.units = units
        self.network = keras.Sequential(
            [keras.Input((2,)), keras.layers.Dense(units), keras.layers.Dense(1)]
        )
        self.built = True

    def _value(self, terms):
        return tf.square(self.network(terms.z[0])[:, 0])

    def get_config(self):
        layer = keras.layers.Layer.get_config(self)
        return {**layer, **Penalty.get_config(self), "units": self.units}


def make_penalized():
    return Penalized(Temperature(), [DIP(0.1), Critic(0.5, name="judge")])


MAKERS = {"objective": Temperature, "penalized": make_penalized}
each_objective = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def assert_equal_states(a, b):
    states = [[*each.weights, *each.optimizer.variables] for each in (a, b)]
    for left, right in zip(*states, strict=True):
        np.testing.assert_array_equal(left.numpy(), right.numpy(), err_msg=left.path)


def test_parts():
    assert ELBO().parts() == ()
    assert Penalized(ELBO(), DIP(1.0)).parts() == ()
    objective = make_penalized()
    base, judge = objective.base, objective.penalties[1]
    assert base.parts() == (base,)
    assert objective.parts() == (base, judge)
    assert repr(base) == "Temperature(start=2.0)"
    assert repr(judge) == "Critic(weight=0.5, units=3)"
    assert objective.logged == ("dip", "judge")


@pytest.mark.parametrize(
    ("make", "jit_compile"), [(Temperature, False), (make_penalized, True)], ids=MAKERS
)
def test_the_objective_is_trained_and_counted(build, data, make, jit_compile):
    model = build()
    own = {variable.path for variable in model.weights}
    model.compile("adam", objective=make(), jit_compile=jit_compile)
    before = [variable.numpy() for variable in model.trainable_variables]
    model.fit(data, batch_size=4, verbose=0)
    parts = model.objective.parts()
    added = {variable.path for variable in model.weights} - own
    assert added == {variable.path for part in parts for variable in part.weights}
    assert parts[0].calls.numpy() == 3.0
    for variable, value in zip(model.trainable_variables, before, strict=True):
        assert np.any(variable.numpy() != value), variable.path
    trainable = {variable.path for variable in model.trainable_variables}
    assert added - trainable == {parts[0].calls.path}


def test_a_step_that_is_not_finite_does_not_count(build, data):
    model = build()
    model.compile("adam", objective=make_penalized())
    x = data.copy()
    x[5, 2] = np.inf
    model.fit(x, batch_size=4, shuffle=False, verbose=0)
    assert model.objective.parts()[0].calls.numpy() == 2.0


@each_objective
def test_training_goes_on_as_if_it_had_not_been_saved(build, data, make, tmp_path):
    model = build()
    model.compile("adam", objective=make(), run_eagerly=True)
    model.fit(data, batch_size=4, verbose=0, shuffle=False)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert repr(loaded.objective) == repr(model.objective)
    assert_equal_states(loaded, model)
    for each in (model, loaded):
        each.fit(data, batch_size=4, verbose=0, shuffle=False)
    assert model.objective.parts()[0].calls.numpy() == 6.0
    assert_equal_states(loaded, model)


@each_objective
def test_weights_alone(build, data, make, tmp_path):
    model, other = build(), build(weights_seed=1)
    for each in (model, other):
        each.compile("adam", objective=make())
    for part in model.objective.parts():
        part.set_weights([value + 1.0 for value in part.get_weights()])
    model.save_weights(tmp_path / "model.weights.h5")
    other.load_weights(tmp_path / "model.weights.h5")
    for left, right in zip(model.weights, other.weights, strict=True):
        np.testing.assert_array_equal(left.numpy(), right.numpy())
    # A model without that objective takes what is its own.
    plain = build(weights_seed=2)
    plain.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(plain(data).numpy(), model(data).numpy())


@each_objective
@pytest.mark.parametrize("built", ["before", "after"])
def test_a_new_objective_takes_the_place_of_the_old(data, make, built):
    networks = [keras.Sequential([keras.layers.Dense(4)]) for _ in range(2)]
    model = VAEModel(*networks, seed=1)
    if built == "before":
        model(data)
    for objective in (make(), make()):
        model.compile("adam", objective=objective, run_eagerly=True)
        model(data)
        own = [v for network in networks for v in network.weights] + [model.kl_weight]
        parts = [v for part in objective.parts() for v in part.weights]
        assert {id(v) for v in model.weights} == {id(v) for v in own + parts}
        assert len([layer for layer in model.layers if isinstance(layer, Temperature)]) == 1
    # The same one again keeps its state.
    model.fit(data, verbose=0)
    model.compile("adam", objective=objective, run_eagerly=True)
    assert objective.parts()[0].calls.numpy() == 1.0
    model.compile("adam", objective=ELBO(), run_eagerly=True)
    assert {id(v) for v in model.weights} == {id(v) for v in own}
    assert not any(isinstance(layer, Temperature) for layer in model.layers)
    model.fit(data, verbose=0)


def test_a_locked_model_takes_another_objective(build, data):
    model = build()
    model._lock_state()
    model.compile("adam", objective=Temperature(), run_eagerly=True)
    model.fit(data, verbose=0)
    assert model._tracker.locked
    with pytest.raises(ValueError, match="cannot add new elements of state"):
        model.another = keras.layers.Dense(1)


def test_a_frozen_model_keeps_its_objective(build, data):
    model = build()
    model.compile("adam", objective=Temperature())
    model.encoder.trainable = model.decoder.trainable = False
    model.compile("adam", objective=model.objective, run_eagerly=True)
    before = model.encoder.get_weights()
    model.fit(data, verbose=0)
    np.testing.assert_array_equal(before[0], model.encoder.get_weights()[0])
    assert model.objective.factor.numpy() != 2.0
