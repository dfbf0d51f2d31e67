from typing import Any, Literal

import keras
import tensorflow as tf

from keras_vae._checks import choice, count, number
from keras_vae._distribute import LossesOfReplica, share_of_mean
from keras_vae._numerics import wide
from keras_vae._random import Seeded
from keras_vae._registry import serializable
from keras_vae._types import Array, BatchShape, Config, Integer, Number
from keras_vae.layers._codebook import Codebook
from keras_vae.layers._metric_name import metric_name
from keras_vae.layers._nearest import nearest
from keras_vae.layers._perplexity import Perplexity

_CODEBOOKS = ("ema", "loss")


@serializable
class VectorQuantizer(LossesOfReplica, Seeded, keras.layers.Layer):
    """Replaces each vector by the nearest of a codebook: the latent of a VQ-VAE.

    Put it between an encoder and a decoder. The decoder's gradient passes to the encoder as if
    nothing had been replaced. The codebook learns as moving averages of the vectors that each
    code stands for ("ema"), or by the gradient of a loss of its own ("loss"). The commitment
    loss keeps the encoder near its codes:

        q = e_k,  k = argmin_j ||z - e_j||;    dq/dz = 1
        loss += mean_b sum_positions commitment_cost * ||z - stop(e_k)||^2 [+ ||stop(z) - e_k||^2]

    Like every loss here it is a sum over an example and a mean over the batch. The paper takes
    the mean over the positions too: divide `commitment_cost` by their number for its value. The
    metric `perplexity`, with a name of your own `<name>_perplexity`, is exp(entropy) of an
    epoch's code usage: how many codes are used, in effect. In inference nothing changes; nor does
    the codebook of "ema" in a batch with non-finite vectors.

    Args:
        num_codes: Integer >= 1, the size K of the codebook (`num_embeddings` elsewhere).
        codebook: "ema" or "loss", how it learns. Defaults to "ema".
        commitment_cost: Number >= 0. Defaults to 0.25.
        decay: Number in [0, 1), share of the old averages that stays at each step. For "ema".
            Defaults to 0.99.
        restart_after: Integer >= 1 or None. A code unused for so many training steps in a row
            becomes a random vector of the batch; in the first step every unused one does.
            Defaults to None, never.
        seed: Integer or None, of the first codebook and of the restarts. Defaults to None.
        **kwargs: Arguments of `keras.layers.Layer`, such as `name`.

    Shapes:
        inputs: `(B, ..., d)`, a vector at each position.
        outputs: `(B, ..., d)`.

    Raises:
        TypeError: If an argument is no number.
        ValueError: If an argument is out of range, or the inputs have another shape than before.

    Reference:
        van den Oord, Vinyals and Kavukcuoglu, "Neural Discrete Representation Learning", 2017,
        equation 3 and appendix A.1; restarts: Dhariwal et al., "Jukebox", 2020.

    Example:
        >>> import tensorflow as tf
        >>> layer = VectorQuantizer(num_codes=16, seed=1)
        >>> layer(tf.zeros((5, 4, 4, 2))).shape
        TensorShape([5, 4, 4, 2])
        >>> codes = layer.encode(tf.zeros((5, 4, 4, 2)))
        >>> codes.shape, layer.decode(codes).shape
        (TensorShape([5, 4, 4]), TensorShape([5, 4, 4, 2]))
    """

    def __init__(
        self,
        num_codes: Integer,
        codebook: Literal["ema", "loss"] = "ema",
        commitment_cost: Number = 0.25,
        decay: Number = 0.99,
        restart_after: Integer | None = None,
        seed: Integer | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        owner = type(self).__name__
        self.num_codes = count(num_codes, "num_codes", owner)
        self.codebook = choice(codebook, "codebook", owner, _CODEBOOKS)
        self.commitment_cost = number(commitment_cost, "commitment_cost", owner)
        self.decay = number(decay, "decay", owner)
        if self.decay >= 1.0:
            raise ValueError(
                f"{owner} expects a decay below 1, at which nothing would be learned. "
                f"Received: decay={decay!r}. For example decay=0.99."
            )
        restarts = restart_after is not None
        self.restart_after = count(restart_after, "restart_after", owner) if restarts else None
        self._set_seed(seed)
        self._codebook = Codebook(
            num_codes,
            decay=decay if codebook == "ema" else None,
            restart_after=restart_after,
            seed=seed,
            dtype=self.dtype_policy,
            name="codebook",
        )
        name = metric_name(self.name, "vector_quantizer", "perplexity")
        self.perplexity_metric = Perplexity(num_codes, name=name)

    @property
    def embeddings(self) -> keras.Variable:
        """The codebook: a variable of shape `(num_codes, d)`, once the layer is built."""
        return self._codebook.embeddings

    def build(self, input_shape: BatchShape) -> None:
        if len(input_shape) < 2 or input_shape[-1] is None:
            raise ValueError(
                f"VectorQuantizer expects inputs of shape (B, ..., d) with a known d. "
                f"Received: inputs of shape {tuple(input_shape)}. Give a vector at each position."
            )
        self._codebook.build(input_shape[-1])
        self.built = True

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        z, index, vectors, embeddings = self._nearest(inputs)
        chosen = tf.gather(embeddings, index)
        constant = tf.stop_gradient(chosen)
        costs = self.commitment_cost * tf.square(vectors - constant)
        if self.codebook == "loss":
            costs += tf.square(tf.stop_gradient(vectors) - chosen)
        loss = share_of_mean(tf.reduce_sum(costs), tf.shape(z)[0])
        self.add_loss(tf.cast(loss, self.embeddings.dtype))
        self._observe(tf.stop_gradient(vectors), index, constant, training)
        # The value of the code to the last digit, which z + stop(e - z) would round.
        outputs = tf.reshape(constant + (vectors - tf.stop_gradient(vectors)), tf.shape(z))
        return tf.saturate_cast(outputs, self.compute_dtype)

    def _observe(self, vectors, index, chosen, training):
        """Tells the metric, and in training the codebook, which vectors have which code."""
        residuals = vectors - chosen
        # One without a finite loss has none: a negative index is left out of the sums.
        squares = tf.reduce_sum(tf.square(residuals), axis=-1)
        index = tf.where(tf.math.is_finite(squares), index, -1)
        counts = tf.math.unsorted_segment_sum(tf.ones_like(squares), index, self.num_codes)
        self.perplexity_metric.update_state(counts)
        if training and self._codebook.learns_in_call:
            residuals = tf.math.unsorted_segment_sum(residuals, index, self.num_codes)
            self._codebook.learn(vectors, index, counts, residuals, self._next_seed)

    def encode(self, inputs: Array) -> tf.Tensor:
        """Returns the number of the nearest code at each position.

        Args:
            inputs: Vectors, `(B, ..., d)`.

        Returns:
            int32 tensor of shape `(B, ...)`, values from 0 to `num_codes` - 1.
        """
        z, index, _, _ = self._nearest(inputs)
        return tf.reshape(index, tf.shape(z)[:-1])

    def decode(self, codes: Array) -> tf.Tensor:
        """Returns the vectors of these codes.

        Args:
            codes: Integers from 0 to `num_codes` - 1, of any shape.

        Returns:
            Tensor of shape `(*codes.shape, d)`.
        """
        codes = tf.convert_to_tensor(codes)
        if not codes.dtype.is_integer:
            raise TypeError(
                "VectorQuantizer expects integer codes, as encode() gives them. "
                f"Received: codes of dtype {codes.dtype.name}. Call the layer for vectors."
            )
        return tf.saturate_cast(tf.gather(self._codebook.values(), codes), self.compute_dtype)

    def _nearest(self, inputs):
        """Returns the inputs, their codes, and both the vectors and the codebook as matrices."""
        z = wide(inputs)
        embeddings = self._codebook.values(z.dtype)
        size = embeddings.shape[-1]
        if z.shape.rank < 2 or z.shape[-1] != size:
            raise ValueError(
                f"VectorQuantizer expects inputs of shape (B, ..., {size}), as it was built for. "
                f"Received: inputs of shape {tuple(z.shape)}. Make a layer for each size."
            )
        vectors = tf.reshape(z, (-1, size))
        return z, nearest(vectors, embeddings), vectors, embeddings

    def compute_output_shape(self, input_shape: BatchShape) -> BatchShape:
        return input_shape

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "num_codes": self.num_codes,
            "codebook": self.codebook,
            "commitment_cost": self.commitment_cost,
            "decay": self.decay,
            "restart_after": self.restart_after,
            "seed": self.seed,
        }
