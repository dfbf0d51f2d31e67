"""The models of the migration guide are one model: before and after give the same numbers."""

import pathlib
import runpy

import keras
import numpy as np
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
