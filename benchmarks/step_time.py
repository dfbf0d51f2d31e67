"""Time of a training step: VAEModel.fit against a hand-written tf.function loop.

One process, contestants one after the other in every round, so that the noise of a shared
machine hits all alike; a ratio is the median over the rounds of the ratios within a round. Run:

    python benchmarks/step_time.py [--rounds 21]
"""

import argparse
import itertools
import time

import keras
import numpy as np
import tensorflow as tf
from _models import mlp_decoder, mlp_encoder
from _results import RESULTS, markdown, save

import keras_vae

BATCH_SIZE = 128
NUM_STEPS = 100
PRODUCTS = "matrix products alone"
LOOP = "hand-written tf.function"


def batches_of(x):
    """Ready-made batches: what is measured is the step, not the input pipeline."""
    data = tf.data.Dataset.from_tensor_slices(x.reshape(NUM_STEPS, BATCH_SIZE, -1)).prefetch(2)
    options = tf.data.Options()
    # The end of an epoch sometimes waits for the tuner to wake up, which it does 0.01 * (2^n - 1)
    # seconds after the start: whatever ran, the epoch took 1.27 seconds.
    options.autotune.enabled = False
    return data.with_options(options)


def handwritten(x, jit_compile=False):
    """The loop that a user would write: the same model, optimizer, loss and logged means."""
    encoder, decoder = mlp_encoder(), mlp_decoder()
    variables = encoder.trainable_weights + decoder.trainable_weights
    optimizer = keras.optimizers.Adam()
    optimizer.build(variables)
    means = [keras.metrics.Mean() for _ in range(3)]
    seed = keras.random.SeedGenerator(1)

    @tf.function(jit_compile=jit_compile)
    def step(batch):
        with tf.GradientTape() as tape:
            mean, log_variance = tf.split(encoder(batch, training=True), 2, axis=-1)
            noise = tf.random.stateless_normal(tf.shape(mean), tf.cast(seed.next(), tf.int32))
            logits = decoder(mean + tf.exp(0.5 * log_variance) * noise, training=True)
            entropy = tf.nn.sigmoid_cross_entropy_with_logits(labels=batch, logits=logits)
            reconstruction = tf.reduce_mean(tf.reduce_sum(entropy, axis=-1))
            kl = tf.exp(log_variance) + tf.square(mean) - 1.0 - log_variance
            kl = tf.reduce_mean(0.5 * tf.reduce_sum(kl, axis=-1))
            loss = reconstruction + kl
        gradients = tape.gradient(loss, variables)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        for metric, value in zip(means, (loss, reconstruction, kl), strict=True):
            metric.update_state(value)

    data = batches_of(x)

    def epoch():
        for batch in data:
            step(batch)

    return epoch


def vae_model(x, **compile_arguments):
    """`VAEModel.fit` on the same data, with its progress bar off."""
    model = keras_vae.VAEModel(mlp_encoder(), mlp_decoder(), likelihood="bernoulli", seed=1)
    model.compile("adam", **compile_arguments)
    data = batches_of(x)
    return lambda: model.fit(data, verbose=0)


def matrix_products(x):
    """The matrix products of a step alone: forward, and backward for inputs and weights."""
    sizes = [784, 512, 256, 40, 20, 256, 512, 784]
    pairs = [(a, b) for a, b in itertools.pairwise(sizes) if (a, b) != (40, 20)]
    weights = [tf.random.normal(pair) for pair in pairs]
    inputs = [tf.random.normal((BATCH_SIZE, a)) for a, _ in pairs]
    outputs = [tf.random.normal((BATCH_SIZE, b)) for _, b in pairs]

    @tf.function
    def step():
        products = []
        for index, (a, w, g) in enumerate(zip(inputs, weights, outputs, strict=True)):
            products += [tf.matmul(a, w), tf.matmul(a, g, transpose_a=True)]
            if index:
                products.append(tf.matmul(g, w, transpose_b=True))
        # Every product must be needed, but nothing of its size may be added to its cost.
        return tf.add_n([product[0, 0] for product in products])

    def epoch():
        for _ in range(NUM_STEPS):
            step()

    return epoch


def measure(contestants, rounds):
    """Returns the milliseconds a step of each contestant, one number a round."""
    for epoch in contestants.values():
        epoch()
    times = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, epoch in contestants.items():
            start = time.perf_counter()
            epoch()
            times[name].append((time.perf_counter() - start) / NUM_STEPS * 1e3)
    return times


def ratio(times, base):
    """Returns the median over the rounds of the ratio within a round."""
    return float(np.median(np.divide(times, base)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=21)
    arguments = parser.parse_args()
    keras.utils.set_random_seed(1)
    x = np.random.default_rng(1).uniform(size=(NUM_STEPS * BATCH_SIZE, 784)).astype("float32")
    contestants = {
        PRODUCTS: matrix_products(x),
        LOOP: handwritten(x),
        "hand-written tf.function, XLA": handwritten(x, jit_compile=True),
        "VAEModel.fit": vae_model(x),
        "VAEModel.fit, XLA, 20 steps per execution": vae_model(
            x, jit_compile=True, steps_per_execution=20
        ),
    }
    start = time.perf_counter()
    times = measure(contestants, arguments.rounds)
    medians = {name: float(np.median(values)) for name, values in times.items()}
    ratios = {
        base: {name: ratio(values, times[base]) for name, values in times.items()}
        for base in (LOOP, PRODUCTS)
    }
    table = [("", "ms a step", "x the hand-written loop", "x the matrix products")]
    for name, median in medians.items():
        table.append((name, f"{median:.1f}", *(f"{ratios[b][name]:.2f}" for b in ratios)))
    print(markdown(table))
    save(
        RESULTS / "step_time",
        table,
        medians_ms=medians,
        ratios=ratios,
        rounds_ms=times,
        seconds=time.perf_counter() - start,
        seed=1,
    )


if __name__ == "__main__":
    main()
