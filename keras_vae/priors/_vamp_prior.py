from typing import Any

import keras
import tensorflow as tf

from keras_vae._checks import count, flag, from_keras
from keras_vae._numerics import as_shape
from keras_vae._registry import serializable
from keras_vae._tfp import tfd
from keras_vae._types import Array, Config, Encode, Initializer, Integer, Shape
from keras_vae.priors._mixture import mixture
from keras_vae.priors._prior import Prior


@serializable
class VampPrior(Prior):
    """The mixture of the posteriors of learned pseudo-inputs.

    The prior that the bound is best with is the mean of all posteriors, q(z). This one is the
    mean of the posteriors of a few points of data space, which are trained with the model, so
    that it follows the encoder. Its KL divergence has no closed form: it is estimated from
    samples. The encoder runs in inference mode here, as it does when the model is evaluated.
    To start from data, assign it: `prior.pseudo_inputs.assign(x[:num_components])`.

        log p(z) = log 1/K sum_k q(z | pseudo_input_k)                                  [nats]

    Args:
        pseudo_input_shape: Integer or tuple. Shape of one data point, without the batch axis.
        num_components: Integer >= 1, the number K of pseudo-inputs.
        pseudo_input_initializer: Keras initializer of the pseudo-inputs, which have the shape
            `(K, *pseudo_input_shape)`, or None for normal noise of scale 0.05
            around 0.5 if they are bounded and around 0 if not. Defaults to None.
        bounded: Whether the pseudo-inputs are held in [0, 1], the range of pixels. Their
            gradient still leads back from outside. Defaults to False.
        **kwargs: Arguments of `keras.layers.Layer`, such as `name`.

    Shapes:
        samples: `(..., *latent)`, the latent being that of the encoder's posterior.

    Raises:
        TypeError: If `pseudo_input_shape` or `num_components` is not made of integers.
        ValueError: If one of them is out of range; from `distribution` if there is no encoder,
            or if there is a condition, which the pseudo-inputs do not have.

    Reference:
        Tomczak and Welling, "VAE with a VampPrior", 2018, equation 9.

    Example:
        >>> from keras_vae.families import MultivariateNormalDiag
        >>> prior = VampPrior(4, num_components=10)
        >>> prior.distribution(encode=MultivariateNormalDiag(2)).sample(3, seed=1).shape
        TensorShape([3, 2])
    """

    def __init__(
        self,
        pseudo_input_shape: Shape,
        num_components: Integer,
        pseudo_input_initializer: Initializer | None = None,
        bounded: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        owner = type(self).__name__
        self.pseudo_input_shape = as_shape(pseudo_input_shape, owner, "pseudo_input_shape")
        self.num_components = count(num_components, "num_components", owner)
        self.pseudo_input_initializer = from_keras(
            keras.initializers.get, pseudo_input_initializer, "pseudo_input_initializer", owner
        )
        self.bounded = flag(bounded, "bounded", owner)
        self.pseudo_inputs = self.add_weight(
            name="pseudo_inputs",
            shape=(self.num_components, *self.pseudo_input_shape),
            initializer=self.pseudo_input_initializer
            or keras.initializers.RandomNormal(0.5 if bounded else 0.0, 0.05),
            autocast=False,
        )

    def distribution(
        self,
        *,
        encode: Encode | None = None,
        condition: Array | None = None,
    ) -> tfd.Distribution:
        if encode is None:
            raise ValueError(
                "VampPrior expects the encoder, whose posteriors it is a mixture of. "
                "Received: encode=None. Use it as VAEModel(..., prior=VampPrior(...)), or call "
                "distribution(encode=...) with a function from x to q(z|x)."
            )
        if condition is not None:
            raise ValueError(
                "VampPrior expects a model without a condition, since its pseudo-inputs have "
                f"none. Received: condition={condition!r}. "
                "Take ConditionalPrior(network, family) for p(z | condition)."
            )
        x = tf.convert_to_tensor(self.pseudo_inputs)
        if self.bounded:
            # As in `bounded`: a pseudo-input that has left the range comes back.
            x = tf.stop_gradient(tf.clip_by_value(x, 0.0, 1.0)) + (x - tf.stop_gradient(x))
        components = encode(x)
        if components.batch_shape.rank != 1:
            raise ValueError(
                "VampPrior expects a posterior with one batch axis. Received: a posterior of "
                f"batch shape {components.batch_shape}. Its pseudo-inputs have the shape "
                f"{tuple(x.shape)}; is pseudo_input_shape that of one data point?"
            )
        return mixture(tf.zeros(self.num_components, components.dtype), components)

    def get_config(self) -> Config:
        initializer = self.pseudo_input_initializer
        return {
            **super().get_config(),
            "pseudo_input_shape": self.pseudo_input_shape,
            "num_components": self.num_components,
            "pseudo_input_initializer": keras.initializers.serialize(initializer)
            if initializer
            else None,
            "bounded": self.bounded,
        }
