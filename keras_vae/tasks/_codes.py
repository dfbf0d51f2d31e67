"""The way from data to codes and back, without noise, on which tasks move."""

import numpy as np
import tensorflow as tf

from keras_vae._inputs import split_inputs
from keras_vae.evaluation._run import run


def encoded(model, x, owner, batch_size=None):
    """Returns the code of each example, `(N, *latent)`: the mean of q(z|x).

    Where a mean is no code (classes, directions), the family's point estimate.
    """
    results = run(model, "codes", _codes, x, 1, owner, batch_size=batch_size, seed=0)
    if not results:
        return np.zeros((0, *model.posterior.event_shape), np.float32)
    return np.concatenate(results)


def decoded(model, z, condition=None):
    """Returns what each code stands for, `(N, *event_shape)`: the mean of p(x|z).

    Where a mean is no data point, the family's point estimate.
    """
    if condition is not None:
        condition = tf.convert_to_tensor(condition)
    params = model._decoder_params(z, condition, training=False)
    return model.likelihood.point_estimate(params).numpy()


def _codes(model, inputs, num_samples, seed):
    del num_samples, seed
    x, condition = split_inputs(inputs)
    return model.posterior.point_estimate(model._encoder_params(x, condition, training=False))


def with_batch_axis(example):
    """Returns one example, an array or a dictionary of arrays, as a batch of one."""
    if isinstance(example, dict):
        return {name: np.asarray(part)[np.newaxis] for name, part in example.items()}
    return np.asarray(example)[np.newaxis]
