"""Latents that are given up while the model trains."""

import keras
import numpy as np
import pytest

from keras_vae import KLAnnealing, VAEModel, evaluation, objectives, schedules
from keras_vae.callbacks import PosteriorCollapse

X = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")


def build(beta=1.0, learning_rate=0.05):
    keras.utils.set_random_seed(1)
    encoder = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(4)])
    model = VAEModel(encoder, decoder, seed=1)
    model.compile(keras.optimizers.Adam(learning_rate), objectives.ELBO(beta=beta))
    return model


def test_the_history_tells_of_every_epoch():
    model = build(beta=0.1)
    history = model.fit(X, epochs=3, verbose=0, callbacks=[PosteriorCollapse(X[:50])]).history
    assert len(history["active_units"]) == len(history["kl_per_dimension"]) == 3
    # The last epoch is the model as it is now.
    np.testing.assert_array_equal(
        history["kl_per_dimension"][-1], evaluation.kl_per_dimension(model, X[:50])
    )
    assert history["active_units"][-1] == evaluation.active_units(model, X[:50]).sum() == 2


def test_a_collapse_is_warned_about_once_with_remedies():
    # A divergence that weighs a thousand times too much is made zero in some 300 steps.
    model = build(beta=1000.0, learning_rate=0.01)
    # The second is more patient than the run is long.
    watches = [PosteriorCollapse(X), PosteriorCollapse(X, patience=21)]
    with pytest.warns(UserWarning, match="Received: 0 for 2 epochs in a row") as record:
        history = model.fit(X, batch_size=4, epochs=20, verbose=0, callbacks=watches).history
    (warning,) = [w for w in record if "PosteriorCollapse" in str(w.message)]
    for remedy in ("KLAnnealing", "free_nats", "capacity", "decoder"):
        assert remedy in str(warning.message)
    assert history["active_units"][-1] == 0
    # The training is noisy: what is left of a nat is not zero.
    assert history["kl_per_dimension"][-1].sum() < 0.05


def test_patience_and_the_number_of_units_decide():
    model = build(beta=0.1)
    with pytest.warns(UserWarning, match="at least 3 active units. Received: 2 for 1 epochs"):
        model.fit(X, verbose=0, callbacks=[PosteriorCollapse(X, min_active=3, patience=1)])


def test_it_shows_up_in_the_files_that_other_callbacks_write(tmp_path):
    log = tmp_path / "log.csv"
    callbacks = [PosteriorCollapse(X), keras.callbacks.CSVLogger(log)]
    annealing = KLAnnealing(schedules.linear(0.0, 1.0, duration=2), unit="epoch")
    build().fit(X, epochs=2, verbose=0, callbacks=[*callbacks, annealing])
    assert "active_units" in log.read_text().splitlines()[0]


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="PosteriorCollapse expects threshold to be"):
        PosteriorCollapse(X, threshold=-1.0)
    with pytest.raises(ValueError, match="PosteriorCollapse expects min_active to be"):
        PosteriorCollapse(X, min_active=0)
    with pytest.raises(ValueError, match="PosteriorCollapse expects patience to be"):
        PosteriorCollapse(X, patience=0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])
    model.compile("sgd", "mse")
    with pytest.raises(TypeError, match="PosteriorCollapse expects a VAEModel"):
        model.fit(X, X, verbose=0, callbacks=[PosteriorCollapse(X)])
