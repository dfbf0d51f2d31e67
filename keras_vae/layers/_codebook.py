import keras
import tensorflow as tf

from keras_vae._distribute import replica_and_count, sum_over_replicas
from keras_vae.layers._nearest import moved_to_means, random_rows


class Codebook(keras.layers.Layer):
    """The weights of a `VectorQuantizer`, and what they learn from a batch of vectors.

    Weights:
        embeddings: `(K, d)`, the vectors of the codes; an optimizer's unless there is a `decay`.
        average_counts: `(K,)`, with a `decay`: moving average of how many vectors a code has.
        unused_steps: `(K,)`, with `restart_after`: for how many steps a code has had none.
    """

    def __init__(self, num_codes, decay=None, restart_after=None, seed=None, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.num_codes, self.decay, self.restart_after = num_codes, decay, restart_after
        self.initial_seed = seed

    def build(self, size):
        # Vectors of a length around 1.
        initializer = keras.initializers.VarianceScaling(
            1.0, "fan_out", "uniform", seed=self.initial_seed
        )
        shape = (self.num_codes, size)
        self.embeddings = self._add("embeddings", initializer, shape, self.decay is None)
        if self.decay is not None:
            # The first codebook has no weight in the averages: it knows nothing of the data.
            self.average_counts = self._add("average_counts", "zeros")
        if self.restart_after is not None:
            overdue = keras.initializers.Constant(self.restart_after)
            self.unused_steps = self._add("unused_steps", overdue)
        self.built = True

    def _add(self, name, initializer, shape=None, trainable=False):
        return self.add_weight(
            name=name,
            shape=shape or (self.num_codes,),
            initializer=initializer,
            # Half precision would lose the small steps of an average.
            dtype="float64" if self.variable_dtype == "float64" else "float32",
            trainable=trainable,
            autocast=False,
            # Every replica has the same value: an average could round it.
            aggregation="only_first_replica",
        )

    def values(self, dtype=None):
        """Returns the embeddings as a tensor."""
        if not self.built:
            raise ValueError(
                "VectorQuantizer expects a codebook. Received: a layer that has not been built. "
                "Call it on vectors first."
            )
        embeddings = tf.convert_to_tensor(self.embeddings)
        return embeddings if dtype is None else tf.cast(embeddings, dtype)

    @property
    def moving_trainable_weights(self):
        """The weights that a forward pass in training mode changes, beside an optimizer."""
        restarted = self.decay is None and self.restart_after is not None
        return [self.embeddings] if restarted else []

    @property
    def learns_in_call(self):
        """Whether a forward pass in training mode changes anything."""
        return self.trainable and (self.decay is not None or self.restart_after is not None)

    def learn(self, vectors, index, counts, residuals, next_seed):
        """Moves the codes to the means of their vectors, and restarts those without any.

        Nothing changes if there is a vector without a code in the batch of any replica.

        Args:
            vectors: `(N, d)`.
            index: `(N,)`, the code of each vector, or -1.
            counts: `(K,)`, how many vectors each code has.
            residuals: `(K, d)`, the sum over these vectors of their distance from the code.
            next_seed: Function that gives a seed.
        """
        missing = tf.math.count_nonzero(index < 0, dtype=counts.dtype)
        missing, counts, residuals = sum_over_replicas(missing, counts, residuals)
        usable = tf.equal(missing, 0)

        def assign(variable, value):
            value = tf.where(usable, tf.cast(value, variable.dtype), _value(variable))
            variable.assign(value)

        embeddings = self.values(vectors.dtype)
        average_counts = None
        if self.decay is not None:
            embeddings, average_counts = moved_to_means(
                embeddings,
                tf.cast(_value(self.average_counts), vectors.dtype),
                counts,
                residuals,
                self.decay,
            )
        if self.restart_after is not None:
            unused_steps = tf.cast(_value(self.unused_steps), counts.dtype)
            unused_steps = tf.where(counts > 0, tf.zeros_like(counts), unused_steps + 1)
            drawn, available = self._draw(vectors, next_seed())
            restarted = (unused_steps >= self.restart_after) & available
            embeddings = tf.where(restarted[:, tf.newaxis], drawn, embeddings)
            assign(self.unused_steps, tf.where(restarted, 0.0, unused_steps))
            if average_counts is not None:
                average_counts = tf.where(restarted, 0.0, average_counts)
        assign(self.embeddings, embeddings)
        if average_counts is not None:
            assign(self.average_counts, average_counts)

    def _draw(self, vectors, seed):
        """Returns a random vector of the batch for each code, and whether there is one.

        The replicas take turns, so that all of them get the same.
        """
        replica, num_replicas = replica_and_count()
        mine = tf.equal(tf.range(self.num_codes) % num_replicas, replica)
        mine &= tf.shape(vectors)[0] > 0
        drawn = random_rows(vectors, self.num_codes, seed)
        drawn = tf.where(mine[:, tf.newaxis], drawn, tf.zeros_like(drawn))
        drawn, available = sum_over_replicas(drawn, tf.cast(mine, vectors.dtype))
        return drawn, available > 0


def _value(variable):
    return tf.convert_to_tensor(variable)
