from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from keras_vae import families
from keras_vae._inputs import fill_missing, fitting, network_inputs, split_inputs
from keras_vae._random import Seeded, as_seed, fold_in
from keras_vae._registry import serializable
from keras_vae._tfp import tfd
from keras_vae._types import Array, Config, Data, Integer, Path, Seed
from keras_vae.models._describe import as_functional, parts_in_words
from keras_vae.models._export import export
from keras_vae.models._networks import (
    check_network,
    joined_shape,
    params_shapes,
    refuse_kl_twice,
)
from keras_vae.models._training import VariationalTraining
from keras_vae.objectives import LatentPath, Terms
from keras_vae.priors import Prior, StandardNormal

if TYPE_CHECKING:
    from typing_extensions import Self

_PARTS = ("encoder", "decoder", "posterior", "likelihood", "prior")


@serializable
class VAEModel(Seeded, VariationalTraining):
    """A variational autoencoder from any two Keras models.

    The encoder gives the parameters of the posterior q(z|x), the decoder those of the likelihood
    p(x|z). `fit(x)` reconstructs x, `fit(x, y)` reconstructs y from x. NaN in the data is
    missing: networks see 0 in its place, and the likelihood leaves it out. For networks with a
    second input give `{"x": x, "condition": c}`; they are called with `[x, c]` and `[z, c]`.

        log p(x) >= ELBO = E_q log p(x|z) - KL(q(z|x) || p(z))                          [nats]

    Logged: `loss`, `reconstruction_loss`, `kl_divergence`, `elbo` (always at a KL weight of 1)
    and `skipped_steps`, the steps whose loss or gradients were not finite: they change nothing.

    Args:
        encoder: Keras model from x to the parameters of the posterior, one tensor or a list.
        decoder: Keras model from z to the parameters of the likelihood.
        posterior: A `keras_vae.families.Family`, its name, or None for
            `MultivariateNormalDiag`. Defaults to None.
        likelihood: A family or its name, such as "bernoulli", or None for `Normal` with a scale
            of 1. Defaults to None.
        prior: A `keras_vae.priors.Prior`, or None for the standard normal. Defaults to None.
        seed: Integer or None. Defaults to None, a random start.
        **kwargs: Arguments of `keras.Model`, such as `name`.

    Shapes:
        inputs: what the encoder takes, `(B, ...)`.
        z: `(B, *posterior.event_shape)`.
        outputs: `(B, *likelihood.event_shape)`, the mean reconstruction.

    Raises:
        TypeError: If a part is of another kind.
        ValueError: If shapes of networks and families do not fit.

    Reference:
        Kingma and Welling, "Auto-Encoding Variational Bayes", 2014, algorithm 1.

    Example:
        >>> import keras, numpy as np
        >>> encoder = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
        >>> decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(8)])
        >>> model = VAEModel(encoder, decoder, likelihood="bernoulli", seed=1)
        >>> model.compile(optimizer="adam")
        >>> history = model.fit(np.ones((16, 8)), verbose=0)
        >>> model.sample(3).shape
        TensorShape([3, 8])
    """

    posterior: families.Family
    likelihood: families.Family
    prior: Prior

    def __init__(
        self,
        encoder: keras.layers.Layer,
        decoder: keras.layers.Layer,
        posterior: families.Family | str | None = None,
        likelihood: families.Family | str | None = None,
        prior: Prior | None = None,
        seed: Integer | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.encoder = check_network(encoder, "encoder")
        self.decoder = check_network(decoder, "decoder")
        refuse_kl_twice(encoder)
        if prior is not None and not isinstance(prior, Prior):
            raise TypeError(
                f"VAEModel expects a prior or None. Received: prior={prior!r}. "
                "For example priors.StandardNormal(8)."
            )
        self.posterior = "multivariate_normal_diag" if posterior is None else posterior  # type: ignore[assignment]
        self.likelihood = "normal" if likelihood is None else likelihood  # type: ignore[assignment]
        self.prior = prior  # type: ignore[assignment]
        self._set_seed(seed)
        for resolve, network, family in (
            (self._resolve_latent, encoder, self.posterior),
            (self._resolve_likelihood, decoder, self.likelihood),
        ):
            outputs = getattr(network, "outputs", None)
            if outputs or not isinstance(family, str):
                resolve(outputs)
        left_to_data = any(isinstance(part, str) for part in (self.posterior, self.likelihood))
        self.built = encoder.built and decoder.built and not left_to_data

    def encode(
        self, x: Data, condition: Array | None = None, training: bool = False
    ) -> tfd.Distribution:
        """Returns the posterior q(z|x).

        Args:
            x: Data, `(B, ...)`, or a dictionary with the keys "x" and "condition".
            condition: Second input of the networks. Defaults to None.
            training: Whether the networks run in training mode. Defaults to False.

        Returns:
            A `tfd.Distribution` with the batch shape `(B,)`.
        """
        if isinstance(x, dict):
            x, condition = split_inputs(x)
        if not self.built:
            self(x if condition is None else {"x": x, "condition": condition})
        params = self._encoder_params(x, condition, training)
        return self.posterior(params)

    def decode(
        self, z: Array, condition: Array | None = None, training: bool = False
    ) -> tfd.Distribution:
        """Returns the likelihood p(x|z).

        Args:
            z: Latents, `(..., B, *latent)`.
            condition: Second input of the networks, `(B, ...)`. Defaults to None.
            training: Whether the networks run in training mode. Defaults to False.

        Returns:
            A `tfd.Distribution` with the batch shape `(..., B)`.
        """
        self._check_built("decode")
        params = self._decoder_params(z, condition, training)
        return self.likelihood(params)

    def reconstruct(self, x: Data) -> tf.Tensor:
        """Returns the mean of p(x|z) at the posterior's mean, `(B, *event_shape)`.

        Where a mean is no data point (class codes, directions), the family's point estimate.
        """
        return self(x, training=False)

    def sample(
        self,
        num_samples: Integer,
        seed: Seed = None,
        condition: Array | None = None,
        mean: bool = False,
    ) -> tf.Tensor:
        """Returns new data: z from the prior, then x from p(x|z).

        Args:
            num_samples: Integer. With a condition, the length of its batch.
            seed: Integer, or a pair of integers. The same seed gives the same samples. Defaults
                to None, the model's own noise.
            condition: Second input of the networks. Defaults to None.
            mean: Whether to return the mean of p(x|z) in place of a draw, as is usual for
                pictures. Defaults to False.

        Returns:
            Tensor of shape `(num_samples, *event_shape)`.
        """
        self._check_built("sample")
        seed = self._next_seed() if seed is None else as_seed(seed)
        prior = self._prior_distribution(condition)
        shape = () if prior.batch_shape.rank else num_samples
        z = prior.sample(shape, seed=fold_in(seed, 0))
        params = self._decoder_params(z, condition, training=False)
        if mean:
            return self.likelihood.point_estimate(params)
        return self.likelihood(params).sample(seed=fold_in(seed, 1))

    def export(self, path: Path, **kwargs: Any) -> None:
        """Writes a SavedModel that runs without Keras and without this package.

        Its signatures are `serving_default` (x -> reconstruction), `encode` (x -> mean, stddev),
        `decode` (z -> mean), `sample` (num_samples, seed -> sample, mean) and `log_likelihood`
        (x, num_samples, seed -> log_prob, standard_error, effective_sample_size), by importance
        sampling; of a plain autoencoder, by samples of the prior. A model with a condition takes
        it as a further input of each.

        Args:
            path: Directory, written anew. It appears only when it is complete.
            **kwargs: `overwrite`, whether an existing SavedModel is replaced. Defaults to True.
        """
        self._check_built("export")
        export(self, path, **kwargs)

    def summary(
        self,
        line_length: int | None = None,
        positions: Sequence[float] | None = None,
        print_fn: Callable[[str], Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Prints Keras' table of the layers, then the distributions and the objective.

        Args:
            line_length: Total length of a line. Defaults to None.
            positions: Positions of the columns. Defaults to None.
            print_fn: Function that takes the text. Defaults to None, the standard output.
            **kwargs: Further arguments of `keras.Model.summary`, such as `expand_nested`.
        """
        super().summary(line_length, positions, print_fn, **kwargs)
        (print_fn or print)(parts_in_words(self))

    def as_functional(self) -> keras.Model:
        """Returns the path of one sample as a functional model that shares the weights.

        x -> encoder -> `Sampling` -> decoder, whose output are the parameters of p(x|z). To look
        at, `keras.utils.plot_model(model.as_functional(), show_shapes=True)`, where a `VAEModel`
        itself would be a single box; or to train further with layers and losses of your own.

        Raises:
            ValueError: If a network does not know its inputs before it is called.
        """
        self._check_built("as_functional")
        return as_functional(self)

    def call(self, inputs: Data, training: bool = False) -> tf.Tensor:
        """Returns the mean reconstruction from the posterior's mean: no noise."""
        x, condition = split_inputs(inputs)
        params = self._encoder_params(x, condition, training)
        # Only now is a posterior that was left to the encoder's output known.
        z = self.posterior.point_estimate(params)
        params = self._decoder_params(z, condition, training)
        return self.likelihood.point_estimate(params)

    def _terms(self, inputs, y, training):
        """Returns the `Terms` of a batch and, if metrics ask for it, the mean reconstruction."""
        if not self.built:
            self(inputs)
        x, condition = split_inputs(inputs)
        encoded = self._encoder_params(x, condition, training)
        seed = self._next_seed()
        posterior, z = self.posterior.draw(encoded, self.objective.num_samples, seed)
        path = LatentPath(z)
        params = self._decoder_params(path.z, condition, training)
        terms = Terms(
            posterior=posterior,
            frozen_posterior=self.posterior.frozen(encoded, drawn=(posterior, path.z)),
            prior=self._prior_distribution(condition),
            z=z,
            path=path,
            decode=lambda z: self.likelihood.point_estimate(
                self._decoder_params(z, condition, training)
            ),
            log_likelihood=self.likelihood.log_likelihood(y, params, training),
            kl_weight=tf.convert_to_tensor(self.kl_weight),
            step=tf.convert_to_tensor(self.optimizer.iterations),
            training=training,
            seed=fold_in(seed, 1),
        )
        wanted = self._compile_metrics is not None
        return terms, self.likelihood.point_estimate(params)[0] if wanted else None

    def _encoder_params(self, x, condition, training):
        x = fill_missing(fitting(x, self.encoder))
        params = self.encoder(network_inputs(x, condition), training=training)
        self._resolve_latent(params)
        return params

    def _decoder_params(self, z, condition, training):
        """Returns the decoder's output for any number of axes of samples before the batch."""
        z = tf.convert_to_tensor(z)
        latent = self.posterior.event_shape
        leading = tf.shape(z)[: -len(latent)]
        if z.shape.rank > len(latent) + 1:
            if condition is not None:
                condition = tf.convert_to_tensor(condition)
                repeats = tf.reduce_prod(leading[:-1])
                tiles = tf.concat([[repeats], tf.ones(condition.shape.rank - 1, tf.int32)], 0)
                condition = tf.tile(condition, tiles)
            flat = tf.reshape(z, tf.concat([[-1], latent], 0))
            params = self.decoder(network_inputs(flat, condition), training=training)
            return keras.tree.map_structure(
                lambda p: tf.reshape(p, tf.concat([leading, p.shape[1:]], 0)), params
            )
        params = self.decoder(network_inputs(z, condition), training=training)
        self._resolve_likelihood(params)
        return params

    def _prior_distribution(self, condition):
        return self.prior.distribution(encode=self.encode, condition=condition)

    def _resolve_latent(self, outputs):
        """Sets the posterior and the prior that were left to the encoder's output shape."""
        self.posterior = _family(self.posterior, outputs, "posterior")
        if self.prior is None:
            dtype = "float64" if self.variable_dtype == "float64" else "float32"
            self.prior = StandardNormal(self.posterior.event_shape, dtype=dtype)

    def _resolve_likelihood(self, outputs):
        self.likelihood = _family(self.likelihood, outputs, "likelihood")

    def _check_built(self, method):
        if not self.built:
            raise ValueError(
                f"VAEModel expects to be built before {method}(). Received: networks without "
                "weights yet. Call the model on data first, or give the networks an Input."
            )

    def get_config(self) -> Config:
        parts = {name: getattr(self, name) for name in _PARTS}
        parts = {name: keras.saving.serialize_keras_object(part) for name, part in parts.items()}
        return {**super().get_config(), **parts, "seed": self.seed}

    @classmethod
    def from_config(cls, config: Config, custom_objects: dict[str, Any] | None = None) -> "Self":
        parts = {
            name: keras.saving.deserialize_keras_object(config[name], custom_objects)
            for name in _PARTS
        }
        return cls(**{**config, **parts})


def _family(identifier, outputs, argument):
    """Returns the family; one given by its name has the event shape that the outputs ask for."""
    shape = joined_shape(params_shapes(outputs)) if isinstance(identifier, str) else None
    return families._get(identifier, shape, "VAEModel", argument)
