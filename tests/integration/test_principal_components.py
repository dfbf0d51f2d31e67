"""A linear VAE with Gaussian parts is probabilistic PCA: trained, it is as good."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from keras_vae import VAEModel, evaluation, families


@pytest.mark.parametrize(
    ("load", "latent", "posterior"),
    [
        pytest.param(load_iris, 1, families.MultivariateNormalDiag, id="iris, diagonal"),
        pytest.param(
            *(load_wine, 2, families.MultivariateNormalTriL),
            marks=pytest.mark.stress,
            id="wine, full covariance",
        ),
    ],
)
def test_training_reaches_the_evidence_of_probabilistic_pca(load, latent, posterior):
    x = StandardScaler().fit_transform(load().data).astype("float32")
    features = x.shape[1]
    family = posterior(latent)
    encoder = keras.Sequential([keras.Input((features,)), keras.layers.Dense(family.params_size)])
    decoder = keras.Sequential([keras.Input((latent,)), keras.layers.Dense(features)])
    likelihood = families.Normal(features, scale="learned")
    model = VAEModel(encoder, decoder, family, likelihood, seed=1)
    # The rate falls to nearly nothing: what is left of the noise of the gradients averages out.
    steps = 2500
    rate = keras.optimizers.schedules.CosineDecay(0.03, steps)
    model.compile(optimizer=keras.optimizers.Adam(rate), steps_per_execution=100)
    model.fit(tf.data.Dataset.from_tensors(x).repeat(steps), verbose=0)
    reached = evaluation.log_likelihood(model, x, num_samples=2000, batch_size=len(x), seed=1)
    # The maximum of the likelihood over all linear Gaussian models with this many latents.
    best = PCA(latent).fit(x).score(x)
    assert abs(reached.log_prob.mean() - best) < 0.05
    # The bound is tight up to the same: the posterior can be the true one.
    model.compile(run_eagerly=True)
    many = np.tile(x, (200, 1))
    elbo = model.evaluate(many, batch_size=len(many), verbose=0, return_dict=True)["elbo"]
    assert abs(elbo - best) < 0.05 + 0.02
