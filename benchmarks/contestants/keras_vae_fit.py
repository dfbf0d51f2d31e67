"""keras_vae: `VAEModel.fit`, with and without XLA, and `evaluation.log_likelihood`."""

import keras
import tensorflow as tf
from _networks import networks
from _serve import MODELS, batches, data, serve

from keras_vae import VAEModel, evaluation, families


def build(name):
    shape = MODELS[name]["inputs"]
    likelihood = families.Normal(shape) if name == "table" else families.Bernoulli(shape)
    return VAEModel(*networks(name, keras), likelihood=likelihood, seed=1)


def steps(name, **compile_arguments):
    model = build(name)
    model.compile("adam", **compile_arguments)
    x = tf.data.Dataset.from_tensor_slices(batches(name)).prefetch(2)
    options = tf.data.Options()
    options.autotune.enabled = False  # Or an epoch sometimes waits for the tuner to wake up.
    x = x.with_options(options)
    return lambda: model.fit(x, verbose=0, shuffle=False)


def compiled_steps(name):
    count = min(50, MODELS[name]["steps"])
    return steps(name, jit_compile=True, steps_per_execution=count)


def log_likelihood(num_samples, num_examples):
    model, x = build("mlp"), data("mlp")[:num_examples]
    return lambda: evaluation.log_likelihood(model, x, num_samples=num_samples)


if __name__ == "__main__":
    serve({"steps": steps, "compiled_steps": compiled_steps, "log_likelihood": log_likelihood})
