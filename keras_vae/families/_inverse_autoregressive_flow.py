import math
from collections.abc import Sequence
from typing import Any, NoReturn

import keras
import numpy as np
import tensorflow as tf

from keras_vae._checks import count, counts, from_keras
from keras_vae._made import MADE
from keras_vae._numerics import bounded
from keras_vae._random import standard_normal
from keras_vae._registry import serializable
from keras_vae._tfp import tfd
from keras_vae._types import Activation, Config, Integer, Params, Shape
from keras_vae.families._autoregressive_flow import AutoregressiveFlow, Way
from keras_vae.families._family import Family


@serializable
class InverseAutoregressiveFlow(Family, keras.layers.Layer):
    """A diagonal normal distribution, bent by autoregressive networks: a flow posterior.

    As a posterior it can follow a true one that is correlated, skewed or curved. Each step scales
    and shifts every entry by what a network makes of the entries before it and of a context from
    the encoder; the order of the entries turns from step to step. Sampling takes one pass of each
    network, and so does the density of the samples. The density of any other point takes d
    passes, and the gradients "stl" and "dreg" of `IWAE`, which pass back through the
    transformation, about as much. The KL divergence has no closed form.

        params = [loc, log_variance, context]
        z_0 = loc + exp(log_variance / 2) noise
        z_t = z_(t-1) exp(log_scale_t) + shift_t,   log_scale_t in [-3, 3]
        log q(z) = log N(noise; 0, 1) - sum of log_variance / 2 + sum_t log_scale_t     [nats]

    It starts near the diagonal normal distribution of the first two parameters. Mean and standard
    deviation have no closed form either: they are estimates from 256 fixed points. The point
    estimate is the image of the noise 0, which lies on the bent density, where the mean may not.
    The family is a Keras layer as well, since it owns the networks; distributions that it has
    returned keep the weights of that moment.

    Args:
        event_shape: Integer or tuple. Shape of one latent, d entries in all.
        num_flows: Integer >= 1, the number of steps. Defaults to 4.
        hidden_units: Tuple of integers, the hidden layers of each network. Defaults to (64, 64).
        context_size: Integer >= 0, numbers an event (for an event of several axes, each of its
            vectors) that tell the networks of x. Without any they are the same for every x.
            Defaults to 16.
        activation: Keras activation of the hidden layers. Defaults to "elu".
        **kwargs: Arguments of `keras.layers.Layer`, such as `name`.

    Shapes:
        params: `(..., *event_shape[:-1], 2 * event_shape[-1] + context_size)`, or a list of the
            three tensors (of two without a context).
        samples: `(..., *event_shape)`.

    Raises:
        TypeError: If a number is no integer.
        ValueError: If a number is out of range, if `params` has another shape, or if it is used
            as a likelihood: the density of data would take d passes.

    Reference:
        Kingma et al., "Improving Variational Inference with Inverse Autoregressive Flow", 2016,
        section 4.

    Example:
        >>> family = InverseAutoregressiveFlow(2, num_flows=2, context_size=8)
        >>> family.params_size
        12
        >>> family.sample(tf.zeros((5, 12)), seed=1).shape
        TensorShape([5, 2])
    """

    parameter_names: tuple[str, ...] = ("loc", "log_variance", "context")
    real_valued = True

    def __init__(
        self,
        event_shape: Shape,
        num_flows: Integer = 4,
        hidden_units: Sequence[Integer] = (64, 64),
        context_size: Integer = 16,
        activation: Activation = "elu",
        **kwargs: Any,
    ) -> None:
        keras.layers.Layer.__init__(self, **kwargs)
        Family.__init__(self, event_shape)
        owner = type(self).__name__
        self.num_flows = count(num_flows, "num_flows", owner)
        self.hidden_units = counts(hidden_units, "hidden_units", owner)
        self.context_size = count(context_size, "context_size", owner, minimum=0)
        self.activation = from_keras(
            keras.activations.get, activation, "activation", type(self).__name__
        )
        if not self.context_size:
            self.parameter_names = ("loc", "log_variance")
        self.networks = [self._network(index) for index in range(self.num_flows)]
        self.built = True

    def _network(self, index):
        # Near zero for a start near the identity; at zero the layers before have no gradient.
        network = MADE(
            2,
            self.hidden_units,
            self.activation,
            reverse=bool(index % 2),
            output_initializer=keras.initializers.RandomNormal(stddev=1e-3),
            # A density wants all the digits of float32, whatever the dtype policy.
            dtype="float64" if self.variable_dtype == "float64" else "float32",
            name=f"flow_{index}",
        )
        vectors = math.prod(self.event_shape[:-1])
        context = (None, vectors * self.context_size) if self.context_size else None
        network.build((None, vectors * self.event_shape[-1]), context)
        return network

    def __call__(self, params: Params) -> tfd.Distribution:
        # The family's call, not the layer's, which would cast the parameters to the dtype policy.
        return Family.__call__(self, params)

    def call(self, params: Params) -> NoReturn:
        """Not used: a distribution cannot travel between layers."""
        raise NotImplementedError

    def get_config(self) -> Config:
        return {
            **keras.layers.Layer.get_config(self),
            **Family.get_config(self),
            "num_flows": self.num_flows,
            "hidden_units": self.hidden_units,
            "context_size": self.context_size,
            "activation": keras.activations.serialize(self.activation),
        }

    def __repr__(self):
        return (
            f"{type(self).__name__}(event_shape={self.event_shape!r}, "
            f"num_flows={self.num_flows!r}, hidden_units={self.hidden_units!r}, "
            f"context_size={self.context_size!r}, "
            f"activation={keras.activations.serialize(self.activation)!r})"
        )

    def _parameter_sizes(self, size):
        return (size, size, self.context_size) if self.context_size else (size, size)

    def _distribution(self, loc, log_variance, context=None):
        if context is not None:
            vectors = math.prod(self.event_shape[:-1])
            leading = tf.shape(context)[: context.shape.rank - len(self.event_shape)]
            flat = tf.concat([leading, [vectors * self.context_size]], 0)
            context = tf.reshape(context, flat)
        entries = np.arange(math.prod(self.event_shape))
        return AutoregressiveFlow(
            loc,
            0.5 * bounded(log_variance),
            [_snapshot(network, context) for network in self.networks],
            [entries[::-1] if network.reverse else entries for network in self.networks],
            self.event_shape,
        )

    def _draw(self, shape, seed, *parameters):
        q = self._distribution(*parameters)
        loc = parameters[0]
        q.way = q.forward(standard_normal(tf.concat([shape, tf.shape(loc)], 0), seed, loc.dtype))
        return q, q.way.z

    def _sample(self, shape, seed, *parameters):
        return self._draw(shape, seed, *parameters)[1]

    def _know(self, frozen, q, z):
        # The inputs of the steps are those of `q`; the density is made anew, since its gradient
        # by z is to pass through the steps.
        frozen.way = Way(z, None, q.way.inputs)

    def _point_estimate(self, *parameters):
        return self._distribution(*parameters).forward(tf.zeros_like(parameters[0])).z

    def _log_likelihood(self, x, missing, *parameters, training):
        raise ValueError(
            "InverseAutoregressiveFlow expects to be a posterior. Received: a call for its "
            "log-likelihood, which takes a pass for each entry and cannot leave out missing ones. "
            "Take MultivariateNormalTriL(event_shape) as likelihood."
        )


def _snapshot(network, context):
    """Returns the function of `network` with the weights that it has now.

    Or those that a `keras.StatelessScope` gives it now: the distribution outlives the scope.
    """
    trainable = [tf.convert_to_tensor(v) for v in network.trainable_variables]
    others = [tf.convert_to_tensor(v) for v in network.non_trainable_variables]

    def function(x):
        return network.stateless_call(trainable, others, x, context=context)[0]

    return function
