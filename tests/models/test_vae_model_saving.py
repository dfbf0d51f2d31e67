"""A saved model is the same model."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import VAEModel, families, objectives, priors


def reload(model, path):
    model.save(path / "model.keras")
    return keras.models.load_model(path / "model.keras")


def assert_same_variables(a, b):
    assert len(a) == len(b)
    for left, right in zip(a, b, strict=True):
        np.testing.assert_array_equal(left.numpy(), right.numpy(), err_msg=left.path)


LIKELIHOODS = [
    families.Normal(4, scale=0.5),
    families.Normal(4, scale="learned"),
    families.Normal(4, scale="optimal"),
    families.Normal(4, scale="per_element"),
    families.Bernoulli(4),
    families.ContinuousBernoulli(4),
    families.MultivariateNormalDiag(4),
    families.MultivariateNormalTriL(4),
]
POSTERIORS = [
    families.MultivariateNormalDiag(2),
    families.MultivariateNormalTriL(2),
    families.Deterministic(2),
    families.Normal(2, scale=0.1),
]


def fresh(family):
    return type(family).from_config(family.get_config())


# test_combinations.py saves a model with each of the others too.
@pytest.mark.parametrize(
    "likelihood",
    [
        pytest.param(
            family, marks=() if isinstance(family, families.Normal) else pytest.mark.stress
        )
        for family in LIKELIHOODS
    ],
    ids=repr,
)
def test_every_likelihood_comes_back(build, data, likelihood, tmp_path):
    check_round_trip(build(likelihood=fresh(likelihood)), data, tmp_path)


@pytest.mark.parametrize("posterior", POSTERIORS, ids=repr)
def test_every_posterior_comes_back(build, data, posterior, tmp_path):
    check_round_trip(build(posterior=fresh(posterior)), data, tmp_path)


@pytest.mark.parametrize("family", POSTERIORS[:2], ids=repr)
def test_every_prior_comes_back(build, data, family, tmp_path):
    prior = priors.TrainablePrior(fresh(family))
    model = build(posterior=fresh(family), prior=prior)
    model, loaded = check_round_trip(model, data, tmp_path)
    assert (loaded.prior.params.numpy() != 0).any()


def check_round_trip(model, data, path):
    x = np.clip(data, 0.0, 1.0)
    model.compile(optimizer="adam", run_eagerly=True)
    model.fit(x, batch_size=12, verbose=0)
    loaded = reload(model, path)
    for part in ("posterior", "likelihood", "prior"):
        assert repr(getattr(loaded, part).get_config()) == repr(getattr(model, part).get_config())
        assert type(getattr(loaded, part)) is type(getattr(model, part))
    assert_same_variables(loaded.weights, model.weights)
    np.testing.assert_array_equal(loaded(x).numpy(), model(x).numpy())
    return model, loaded


def states(model):
    return [*model.weights, *model.optimizer.variables, model.seed_generator.state]


@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.stress)])
def test_training_goes_on_as_if_it_had_not_been_saved(build, data, tmp_path, jit_compile):
    model = build(
        posterior=families.MultivariateNormalDiag(2),
        likelihood=families.Normal(4, scale="learned"),
        prior=priors.TrainablePrior(families.MultivariateNormalDiag(2)),
    )
    model.compile(
        optimizer=keras.optimizers.RMSprop(0.01, momentum=0.9),
        objective=objectives.ELBO(beta=2.0, num_samples=3),
        max_skipped_steps=4,
        jit_compile=jit_compile,
    )
    model.kl_weight.assign(0.25)
    model.fit(data, batch_size=5, epochs=2, verbose=0, shuffle=False)
    loaded = reload(model, tmp_path)
    assert isinstance(loaded.optimizer, keras.optimizers.RMSprop)
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    assert loaded.objective.get_config() == model.objective.get_config()
    assert (loaded.max_skipped_steps, loaded.kl_weight.numpy()) == (4, 0.25)
    assert int(loaded.optimizer.iterations.numpy()) == 6
    assert_same_variables(states(loaded), states(model))
    histories = [
        each.fit(data, batch_size=5, epochs=2, verbose=0, shuffle=False).history
        for each in (model, loaded)
    ]
    assert histories[0] == histories[1]
    assert_same_variables(states(loaded), states(model))


def test_a_model_is_saved_before_it_is_trained(build, data, tmp_path):
    compiled = build()
    compiled.compile(optimizer="sgd", objective=objectives.ELBO(beta=3.0))
    loaded = reload(compiled, tmp_path)
    assert loaded.objective.beta == 3.0
    assert_same_variables(loaded.weights, compiled.weights)
    loaded.fit(data, verbose=0)
    plain = build()
    loaded = reload(plain, tmp_path)
    np.testing.assert_array_equal(loaded(data).numpy(), plain(data).numpy())
    loaded.compile()
    loaded.fit(data, verbose=0)


@keras.saving.register_keras_serializable("test_vae_model_saving")
class Network(keras.Model):
    """A subclassed network, which has no shapes before it sees data."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.hidden = keras.layers.Dense(3, "tanh")
        self.last = keras.layers.Dense(units)

    def call(self, x):
        return self.last(self.hidden(x))

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def late_networks(kind):
    if kind == "subclassed":
        return Network(4), Network(4)
    return keras.Sequential([keras.layers.Dense(4)]), keras.Sequential([keras.layers.Dense(4)])


@pytest.mark.parametrize("kind", ["subclassed", "Sequential"])
@pytest.mark.parametrize("trained", [False, True])
def test_networks_that_are_built_by_data(data, tmp_path, kind, trained):
    model = VAEModel(*late_networks(kind), likelihood="normal", seed=1)
    with pytest.raises(ValueError, match=r"built before sample\(\).*Call the model on data first"):
        model.sample(2)
    if trained:
        model.compile(optimizer="adam", run_eagerly=True)
        model.fit(data, verbose=0)
    else:
        model(data)
    assert model.posterior.event_shape == (2,)
    loaded = reload(model, tmp_path)
    assert_same_variables(loaded.weights, model.weights)
    np.testing.assert_array_equal(loaded.predict(data, verbose=0), model.predict(data, verbose=0))
    if trained:
        assert_same_variables(loaded.optimizer.variables, model.optimizer.variables)
        loaded.fit(data, verbose=0)
    assert loaded.sample(2, seed=1).shape == (2, 4)


def test_networks_that_are_built_by_a_dictionary(data, tmp_path):
    class Joined(keras.Model):
        def __init__(self, units):
            super().__init__()
            self.last = keras.layers.Dense(units)

        def call(self, inputs):
            return self.last(keras.ops.concatenate(inputs, axis=-1))

    model = VAEModel(Joined(4), Joined(4), seed=1)
    model.compile(run_eagerly=True)
    inputs = {"x": data, "condition": np.ones((12, 3), "float32")}
    model.fit(inputs, verbose=0)
    model.save_weights(tmp_path / "model.weights.h5")
    other = VAEModel(Joined(4), Joined(4), seed=2)
    other(inputs)
    other.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(other(inputs).numpy(), model(inputs).numpy())


def test_weights_alone(build, data, tmp_path):
    model = build(posterior=families.MultivariateNormalDiag(2))
    model.compile(optimizer="adam", run_eagerly=True)
    model.kl_weight.assign(0.5)
    model.fit(data, verbose=0)
    model.save_weights(tmp_path / "model.weights.h5")
    other = build(posterior=families.MultivariateNormalDiag(2), seed=9, weights_seed=1)
    other.load_weights(tmp_path / "model.weights.h5")
    assert_same_variables(other.weights, model.weights)
    assert other.kl_weight.numpy() == 0.5
    # The state of the noise too: the next samples are the same.
    np.testing.assert_array_equal(other.sample(3).numpy(), model.sample(3).numpy())


def test_a_model_is_rebuilt_from_its_config(build, data):
    model = build(
        posterior=families.MultivariateNormalTriL(2),
        likelihood=families.Normal(4, scale="learned"),
        name="tiny",
    )
    config = model.get_config()
    other = VAEModel.from_config(config)
    assert other.name == "tiny"
    parts = ("posterior", "likelihood", "prior", "seed")
    assert [other.get_config()[part] for part in parts] == [config[part] for part in parts]
    assert [v.shape for v in other.weights] == [v.shape for v in model.weights]
    # New weights and new parts: nothing is shared.
    assert not {id(v) for v in model.weights} & {id(v) for v in other.weights}
    other.set_weights(model.get_weights())
    np.testing.assert_array_equal(other(data).numpy(), model(data).numpy())


def test_half_precision_comes_back(build, data, tmp_path):
    model = build(layer={"dtype": "mixed_float16"}, dtype="mixed_float16")
    model.compile(optimizer="adam", run_eagerly=True)
    model.fit(data, verbose=0)
    loaded = reload(model, tmp_path)
    assert isinstance(loaded.optimizer, keras.optimizers.LossScaleOptimizer)
    assert_same_variables(loaded.optimizer.variables, model.optimizer.variables)
    assert_same_variables(loaded.weights, model.weights)
    np.testing.assert_array_equal(loaded(data).numpy(), model(data).numpy())


def test_backup_and_restore_resumes(build, data, tmp_path):
    class Crash(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    def train(*callbacks):
        model = build(posterior=families.MultivariateNormalDiag(2))
        model.compile(optimizer="adam", run_eagerly=True)
        model.fit(data, epochs=4, verbose=0, shuffle=False, callbacks=list(callbacks))
        return model

    expected = train()
    backup = tmp_path / "backup"
    with pytest.raises(KeyboardInterrupt):
        train(keras.callbacks.BackupAndRestore(backup), Crash())
    resumed = train(keras.callbacks.BackupAndRestore(backup))
    assert int(resumed.optimizer.iterations.numpy()) == 4
    assert_same_variables(states(resumed), states(expected))


def test_the_best_epoch_is_found_by_val_elbo(build, data, tmp_path):
    model = build()
    model.compile(optimizer="adam", run_eagerly=True)
    path = tmp_path / "best.keras"
    checkpoint = keras.callbacks.ModelCheckpoint(
        path, monitor="val_elbo", mode="max", save_best_only=True
    )
    model.fit(data, validation_data=(data,), epochs=2, verbose=0, callbacks=[checkpoint])
    keras.models.load_model(path)


def test_summary_runs(build, data):
    lines = []
    model = build(likelihood=families.Normal(4, scale="learned"))
    model.summary(print_fn=lambda line, **_: lines.append(line))
    text = "\n".join(lines)
    assert f"Trainable params: {model.count_params() - 1:,}" in text.replace("[0m", "")


def test_variables_of_the_metrics_are_not_weights(build):
    model = build()
    assert {variable.path.split("/")[-1] for variable in model.non_trainable_weights} == {
        "kl_weight"
    }
    assert tf.rank(model.kl_weight.value) == 0
