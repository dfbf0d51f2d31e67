"""A compiled function of a model, batch by batch."""

import keras
import tensorflow as tf

from keras_vae._checks import count, verbosity
from keras_vae._random import as_seed, fold_in
from keras_vae.evaluation._batches import batches, num_examples
from keras_vae.evaluation._traced import traced

_BATCH_SIZE = 64


def run(model, name, function, x, num_samples, owner, batch_size=None, seed=None, verbose=0):
    """Returns what a function gives for each batch, as a list of structures of arrays.

    Args:
        model: A `VAEModel`, built by the first batch if need be.
        name, function: As in `traced`: a pure function of the model, a batch, the number of
            samples and a seed, and the string that stands for it.
        x: Array `(N, ...)`, or a dictionary with the keys "x" and "condition".
        num_samples: Integer >= 1.
        owner: Name of the public function, for errors.
        batch_size: Integer or None, for 64.
        seed: Integer, pair of integers or None, for the model's own noise.
        verbose: 0 or 1, whether a progress bar is shown.
    """
    num_samples = count(num_samples, "num_samples", owner)
    batch_size = _BATCH_SIZE if batch_size is None else count(batch_size, "batch_size", owner)
    verbose = int(verbosity(verbose, owner))
    seed = model._next_seed() if seed is None else as_seed(seed)
    size = num_examples(x, owner)
    progress = keras.utils.Progbar(size, verbose=verbose, unit_name="example")
    results = []
    for index, batch in enumerate(batches(x, batch_size, owner)):
        batch = keras.tree.map_structure(tf.convert_to_tensor, batch)
        if not model.built:
            model(batch)
        compiled = traced(model, name, function, batch)
        result = compiled(batch, tf.constant(num_samples), fold_in(seed, index))
        results.append(keras.tree.map_structure(lambda part: part.numpy(), result))
        progress.update(min((index + 1) * batch_size, size))
    return results
