"""The models of the migration guide are one model: before and after give the same numbers."""

import pathlib
import runpy

import keras
import numpy as np
import pytest
import tensorflow as tf

GUIDE = pathlib.Path(__file__).parents[1] / "docs" / "migration"


def test_the_model_of_keras_io_keeps_its_losses():
    keras.utils.set_random_seed(1)
    before, after = (
        runpy.run_path(str(GUIDE / f"keras_io_{name}.py"))["build"]()
        for name in ("before", "after")
    )
    x = np.random.default_rng(1).uniform(size=(16, 8, 8, 1)).astype("float32")
    before.fit(x, batch_size=8, verbose=0)
    after.encoder.set_weights(before.encoder.get_weights())
    after.decoder.set_weights(before.decoder.get_weights())

    z_mean, z_log_var, z = before.encoder(x)
    q = after.encode(x)
    np.testing.assert_array_equal(q.mean(), z_mean)
    np.testing.assert_allclose(q.stddev(), tf.exp(0.5 * z_log_var), rtol=1e-6)
    _, _, kl_loss = before.losses_of(x)
    logs = after.evaluate(x, batch_size=8, verbose=0, return_dict=True)
    np.testing.assert_allclose(logs["kl_divergence"], kl_loss, rtol=1e-6)
    # Of the same latents: Keras clips probabilities at 1e-7, far from those here.
    entropy = tf.reduce_sum(keras.losses.binary_crossentropy(x, before.decoder(z)), axis=(1, 2))
    np.testing.assert_allclose(-after.decode(z).log_prob(x), entropy, rtol=1e-5)
    np.testing.assert_allclose(after.decode(z).mean(), before.decoder(z), rtol=1e-5)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_the_model_of_tfp_layers_keeps_its_losses():
    before, after = (
        runpy.run_path(str(GUIDE / f"tfp_{name}.py"))["build"]() for name in ("before", "after")
    )
    encoder, decoder, model = before
    x = np.random.default_rng(1).integers(0, 2, size=(16, 8, 8, 1)).astype("float32")
    after.encoder.set_weights(encoder.get_weights())
    after.decoder.set_weights(decoder.get_weights())

    q = encoder(x)
    np.testing.assert_allclose(after.encode(x).mean(), q.mean(), rtol=1e-6)
    np.testing.assert_allclose(after.encode(x).stddev(), q.stddev(), rtol=1e-6)
    model(x)
    logs = after.evaluate(x, batch_size=16, verbose=0, return_dict=True)
    # TFP adds the divergence twice (tensorflow/probability #1215), as the guide tells.
    np.testing.assert_allclose(model.losses, [logs["kl_divergence"]] * 2, rtol=1e-5)
    z = tf.convert_to_tensor(q)
    np.testing.assert_allclose(after.decode(z).log_prob(x), decoder(z).log_prob(x), rtol=1e-5)
