"""Trains on two logical CPUs and writes what came out as JSON. Run by `test_mirrored.py`.

    mirrored_script.py <path> <case> <case> ...

A process of its own, since the number of devices cannot change once TensorFlow has begun.
"""

import contextlib
import json
import sys


def main(path, *wanted):
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    import keras
    import numpy as np

    from keras_vae import VAEModel, families, layers, objectives
    from keras_vae.losses import NegativeLogLikelihood

    keras.utils.set_random_seed(1)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    data = np.random.default_rng(0).normal(size=(12, 4)).astype("float32")

    def build(replicas, posterior=None, scale=1.0, half=False, layer=None, **compile_arguments):
        policy = "mixed_float16" if half else "float32"

        def dense(units, seed):
            return keras.layers.Dense(
                units,
                kernel_initializer=keras.initializers.GlorotUniform(seed),
                kernel_regularizer=keras.regularizers.L2(0.01),
                dtype=policy,
            )

        with strategy.scope() if replicas == 2 else contextlib.nullcontext():
            posterior = posterior or families.Deterministic(2)
            last = [layer(), keras.layers.Identity()] if layer else []
            encoder = [keras.Input((4,)), dense(posterior.params_size, 1), *last]
            encoder = keras.Sequential(encoder)
            decoder = keras.Sequential([keras.Input((2,)), dense(4, 2)])
            # A learned scale is a variable: it must be made in the scope as well.
            likelihood = families.Normal(4, scale=scale)
            model = VAEModel(encoder, decoder, posterior, likelihood, seed=1, dtype=policy)
            compile_arguments.setdefault("optimizer", keras.optimizers.Adam(0.05))
            if "tolerance" in compile_arguments:
                # Its variables, too.
                objective = objectives.GECO(compile_arguments.pop("tolerance"), rate=0.1)
                compile_arguments["objective"] = objective
            model.compile(**compile_arguments)
        return model

    def run(replicas, x, batch_size, sample_weight=None, validate=False, **arguments):
        model = build(replicas, **arguments)
        logs = model.fit(
            x,
            x,
            batch_size=batch_size,
            epochs=2,
            shuffle=False,
            verbose=0,
            sample_weight=sample_weight,
            validation_data=(x, x) if validate else None,
        )
        weights = [variable.numpy().ravel().tolist() for variable in model.weights]
        state = [
            variable.numpy().ravel().tolist() if variable.dtype != "string" else []
            for variable in model.optimizer.variables
        ]
        return {"logs": logs.history, "weights": weights, "optimizer": state}

    def regularizer():
        return layers.KLDivergenceRegularizer(families.Deterministic(2))

    def averages():
        return layers.VectorQuantizer(3, decay=0.8, seed=4)

    def own_loss():
        return layers.VectorQuantizer(3, "loss", seed=4)

    def plain(layer):
        return {"layer": layer, "objective": objectives.ELBO(beta=0.0)}

    results = {}
    cases = {
        "even": (data, 12, {}),
        "uneven": (data, 5, {"validate": True}),
        "one example": (data[:1], 1, {}),
        "last of one": (data[:9], 8, {"validate": True}),
        "weighted": (data, 5, {"sample_weight": np.linspace(0, 2, 12)}),
        "learned scale": (data, 5, {"scale": "learned"}),
        "optimal scale": (data, 5, {"scale": "optimal"}),
        "metrics": (data, 5, {"metrics": ["mse"], "validate": True}),
        "regularizer": (data, 5, {"layer": regularizer, "validate": True}),
        "quantizer": (data, 5, {**plain(averages), "validate": True}),
        "quantizer, one example": (data[:1], 1, plain(averages)),
        "quantizer with a loss": (data, 5, plain(own_loss)),
        "constrained": (data, 5, {"tolerance": 4.0, "validate": True}),
    }
    for name, (x, batch_size, arguments) in cases.items():
        if name not in wanted:
            continue
        results[name] = []
        for replicas in (1, 2):
            results[name].append(run(replicas, x, batch_size, **arguments))

    # Two quantizers: the replicas meet in the second after the first has added its loss.
    two_quantizers = "quantizers in a plain model"
    for replicas in (1, 2) if two_quantizers in wanted else ():
        with strategy.scope() if replicas == 2 else contextlib.nullcontext():
            dense = keras.layers.Dense(4, kernel_initializer=keras.initializers.GlorotUniform(1))
            model = keras.Sequential([keras.Input((4,)), averages(), dense, averages()])
            model.compile(keras.optimizers.SGD(0.05), NegativeLogLikelihood(families.Normal(4)))
        logs = model.fit(data, data, batch_size=4, epochs=2, shuffle=False, verbose=0).history
        weights = [variable.numpy().ravel().tolist() for variable in model.weights]
        result = {"logs": logs, "weights": weights, "optimizer": []}
        results.setdefault(two_quantizers, []).append(result)

    # A fault in the half of the batch that the second replica has.
    holes = data.copy()
    holes[6:8, 1] = np.inf  # the second of three batches of four
    results["skipped"] = [run(replicas, holes, 4) for replicas in (1, 2)]
    for half in (False, True):
        optimizer = keras.optimizers.SGD(0.05)
        with strategy.scope():
            if half:
                optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=8.0)
            model = build(2, half=half, optimizer=optimizer, max_skipped_steps=3)
        before = [v.numpy() for v in model.trainable_variables]
        faulty = data.copy()
        faulty[6:] = np.inf
        try:
            model.fit(faulty, batch_size=12, epochs=5, verbose=0)
            error = "none"
        except ValueError as raised:
            error = str(raised)
        same = all(
            np.array_equal(v.numpy(), old)
            for v, old in zip(model.trainable_variables, before, strict=True)
        )
        results[f"fault, half={half}"] = {"error": error, "unchanged": same}

    # Every code is unused by one vector or by both: the new ones are vectors of both replicas.
    vectors = {"both": [[[1.0, 2.0]], [[3.0, 4.0]]], "second": [[], [[3.0, 4.0]]]}
    for name, parts in vectors.items():
        with strategy.scope():
            quantizer = layers.VectorQuantizer(8, restart_after=1, seed=4)
            quantizer.build((None, 2))
        given = strategy.experimental_distribute_values_from_function(
            lambda context, parts=parts: tf.reshape(
                tf.constant(parts[context.replica_id_in_sync_group], tf.float32), (-1, 2)
            )
        )
        step = tf.function(lambda z, quantizer=quantizer: quantizer(z, training=True))
        strategy.run(step, args=(given,))
        copies = strategy.experimental_local_results(quantizer.embeddings.value)
        results[f"restart, {name}"] = [copy.numpy().tolist() for copy in copies]

    # Equal examples on the two replicas differ by their noise alone.
    model = build(2, posterior=families.MultivariateNormalDiag(2))

    @tf.function
    def draw(x):
        params = model.encoder(x)
        return strategy.run(
            lambda p: model.posterior.sample(p, 1, model._next_seed()), args=(params,)
        )

    for _ in range(2):
        drawn = strategy.experimental_local_results(draw(tf.ones((3, 4))))
        results.setdefault("noise", []).extend(z.numpy().ravel().tolist() for z in drawn)
    model.fit(data, batch_size=4, epochs=2, verbose=0)
    results["copies"] = [
        [copy.numpy().ravel().tolist() for copy in strategy.experimental_local_results(v.value)]
        for v in model.trainable_variables
    ]
    results["predicted"] = [
        model.predict(data, batch_size=5, verbose=0).ravel().tolist(),
        model(data).numpy().ravel().tolist(),
    ]
    with open(path, "w") as file:
        json.dump(results, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
