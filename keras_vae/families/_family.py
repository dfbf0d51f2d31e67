"""What every family of distributions has in common."""

import abc
import bisect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from keras_vae._configurable import Configurable
from keras_vae._numerics import as_shape, wide
from keras_vae._random import as_seed
from keras_vae._tfp import tfd
from keras_vae._types import Array, Config, Integer, Params, Seed, Shape
from keras_vae.families._missing import FillsMissing

if TYPE_CHECKING:
    from typing_extensions import Self


class Family(FillsMissing, Configurable, abc.ABC):
    """Turns the output of a network into a distribution.

    A family is the step between a network and a distribution: the same class serves as posterior
    q(z|x) after an encoder and as likelihood p(x|z) after a decoder. One that holds weights is a
    Keras layer as well. Subclasses give `parameter_names` and the hooks `_distribution` and
    `_log_likelihood`.

    Args:
        event_shape: Integer or tuple. Shape of one data point or one latent.

    Raises:
        TypeError: If `event_shape` is not made of integers.
        ValueError: If `event_shape` is empty or has a size below 1.
    """

    event_shape: tuple[int, ...]
    parameter_names: tuple[str, ...] = ()
    smallest_size = 1

    def __init__(self, event_shape: Shape) -> None:
        self.event_shape = as_shape(event_shape, type(self).__name__)
        if self.event_shape[-1] < self.smallest_size:
            raise ValueError(
                f"{type(self).__name__} expects an event_shape whose last axis is at least "
                f"{self.smallest_size}. Received: event_shape={event_shape!r}. "
                "Give the vectors more entries."
            )

    @property
    def real_valued(self) -> bool:
        """Whether an event may be any real numbers, with a density: gradients can move in it."""
        return False

    @property
    def entries_independent(self) -> bool:
        """Whether the log-likelihood of an event is the sum of that of its entries."""
        return False

    @property
    def params_shape(self) -> tuple[int, ...]:
        """Shape of the parameters of one event: the event's, with a longer last axis."""
        return (*self.event_shape[:-1], sum(self._parameter_sizes(self.event_shape[-1])))

    @property
    def params_size(self) -> int:
        """Number of outputs that the network before the family needs, as in `Dense(...)`."""
        size = 1
        for axis in self.params_shape:
            size *= axis
        return size

    def __call__(self, params: Params) -> tfd.Distribution:
        """Returns the distribution that has these parameters.

        Args:
            params: Tensor of shape `(..., *params_shape)`, or flat, `(..., params_size)`. A list
                of tensors stands for their concatenation along the last axis.

        Returns:
            A `tfd.Distribution` with the event shape `event_shape`, in float32 or wider.

        Raises:
            ValueError: If the shape of `params` does not fit.
        """
        return self._distribution(*self._split(params))

    def sample(
        self, params: Params, num_samples: Integer | None = None, seed: Seed = None
    ) -> tf.Tensor:
        """Returns reparameterised samples where the family has them.

        Args:
            params: As in `__call__`.
            num_samples: Integer, or None for one sample without an axis of its own. Defaults to
                None.
            seed: Integer, or a pair of integers. The same seed gives the same samples. Defaults
                to None, TensorFlow's global noise.

        Returns:
            Tensor of shape `(num_samples, ..., *event_shape)` or `(..., *event_shape)`.
        """
        shape = [] if num_samples is None else [num_samples]
        return self._sample(shape, as_seed(seed), *self._split(params))

    def draw(
        self, params: Params, num_samples: Integer | None = None, seed: Seed = None
    ) -> tuple[tfd.Distribution, tf.Tensor]:
        """Returns the distribution together with samples of it.

        For `log_prob` of samples: where the density of a point is dear, as that of a flow, it
        comes for these samples from the noise that they were made of. The distribution knows
        them as this very tensor; any other tensor is a point like every point.

        Args:
            params: As in `sample`.
            num_samples: As in `sample`.
            seed: As in `sample`.

        Returns:
            The distribution, as from `__call__`, and the samples, as from `sample`.
        """
        shape = [] if num_samples is None else [num_samples]
        return self._draw(shape, as_seed(seed), *self._split(params))

    def frozen(
        self, params: Params, drawn: tuple[tfd.Distribution, tf.Tensor] | None = None
    ) -> tfd.Distribution:
        """Returns the distribution whose parameters and weights pass no gradient.

        For gradients that reach a network through samples alone.

        Args:
            params: As in `__call__`.
            drawn: What `draw` returned, or None. Its second part may be another tensor of the
                same samples, with a gradient of its own. Defaults to None.
        """
        values = [(weight, tf.stop_gradient(weight)) for weight in getattr(self, "weights", ())]
        params = tf.nest.map_structure(tf.stop_gradient, params)
        with keras.StatelessScope(state_mapping=values):
            distribution = self(params)
        if drawn is not None:
            self._know(distribution, *drawn)
        return distribution

    def point_estimate(self, params: Params) -> tf.Tensor:
        """Returns the one event that stands for the distribution: a reconstruction, a code.

        It is the mean wherever the mean is such an event; the family says where it is not, as
        for class codes (the most probable class) and points on a sphere (the mean direction).

        Args:
            params: As in `__call__`.

        Returns:
            Tensor of shape `(..., *event_shape)`.
        """
        return self._point_estimate(*self._split(params))

    def log_likelihood(self, x: Array, params: Params, training: bool = False) -> tf.Tensor:
        """Returns log p(x | params) in nats, summed over the event.

        Entries of `x` that are NaN are missing and leave the sum.

        Args:
            x: Tensor of shape `(B, *event_shape)`, of any dtype.
            params: As in `__call__`; axes before the batch axis (samples) are kept.
            training: Whether the call belongs to a training step.

        Returns:
            Tensor of shape `(..., B)`.

        Raises:
            ValueError: If the shape of `x` or of `params` does not fit.
        """
        x, missing, *parameters = self._data_and_parameters(x, params)
        return self._log_likelihood(x, missing, *parameters, training=training)

    def entry_log_likelihood(self, x: Array, params: Params) -> tf.Tensor:
        """Returns the log-likelihood of each entry in nats, 0 for one that is missing.

        Args:
            x: As in `log_likelihood`, whose value is the sum over the event.
            params: As in `log_likelihood`.

        Returns:
            Tensor of shape `(..., B, *event_shape)`.

        Raises:
            ValueError: If the entries of the family depend on each other, or a shape does not
                fit.
        """
        return self._entry_log_likelihood(*self._data_and_parameters(x, params))

    @abc.abstractmethod
    def _distribution(self, *parameters):
        """Returns the distribution with these parameters, one tensor for each name."""

    def _sample(self, shape, seed, *parameters):
        """Returns samples, `shape` before the shape of the parameters."""
        return self._distribution(*parameters).sample(shape, seed=seed)

    def _draw(self, shape, seed, *parameters):
        """Returns the distribution and samples whose density it may know."""
        return self._distribution(*parameters), self._sample(shape, seed, *parameters)

    def _know(self, frozen, q, z):
        """Tells the distribution `frozen` what `q` knows of its samples `z`."""

    def _point_estimate(self, *parameters):
        return self._distribution(*parameters).mean()

    @abc.abstractmethod
    def _log_likelihood(self, x, missing, *parameters, training):
        """Returns the log-likelihood of the entries of `x` that are not `missing`."""

    def _entry_log_likelihood(self, x, missing, *parameters):
        raise ValueError(
            f"{type(self).__name__} expects to be asked for the log-likelihood of whole events, "
            "since its entries depend on each other. Received: a call for that of each entry. "
            "Take a family of independent entries, such as Normal."
        )

    def _parameter_sizes(self, size):
        """Returns the length of each parameter on the last axis for an event of this length."""
        return (size,) * len(self.parameter_names)

    @classmethod
    def from_params_shape(cls, params_shape: Sequence[int], **kwargs: Any) -> "Self":
        """Returns the family whose parameters have this shape (without the batch axis).

        Args:
            params_shape: Tuple, the shape of a network's output without its batch axis.
            **kwargs: Further arguments of the family.

        Raises:
            ValueError: If no event shape has parameters of this shape.
        """
        *leading, last = (
            size if isinstance(size, (int, np.integer)) else 0 for size in params_shape
        )
        if min(leading, default=1) > 0 and last > 0:
            # One object knows the sizes of all: a family with weights is dear to make.
            sizes_of = cls((*leading, cls.smallest_size), **kwargs)._parameter_sizes
            # The parameters of an event grow with it.
            sizes = range(cls.smallest_size, last + 1)
            size = bisect.bisect_left(sizes, last, key=lambda size: sum(sizes_of(size)))
            size += cls.smallest_size
            if sum(sizes_of(size)) == last:
                return cls((*leading, size), **kwargs)
        raise ValueError(
            f"{cls.__name__} expects {' and '.join(cls.parameter_names)} side by side on the last "
            f"axis. Received: params_shape={tuple(params_shape)}, the shape of a network's output. "
            f"End the network with a layer of `{cls.__name__}(event_shape).params_size` units."
        )

    def get_config(self) -> Config:
        """Returns the arguments of the constructor."""
        return {"event_shape": self.event_shape}

    def _data_and_parameters(self, x, params):
        """Returns `x` with zeros for NaN, where these are, and each of the parameters."""
        parameters = self._split(params)
        x = self._check_event(tf.cast(tf.convert_to_tensor(x), parameters[0].dtype), parameters[0])
        missing = tf.math.is_nan(x)
        return tf.where(missing, tf.zeros_like(x), x), missing, *parameters

    def _split(self, params):
        """Returns the parameters, each a tensor of float32 or wider, after checking shapes."""
        sizes = self._parameter_sizes(self.event_shape[-1])
        if isinstance(params, (list, tuple)):
            params = self._concatenate(params, sizes)
        params = wide(params)
        shape = tuple(params.shape)
        rank = len(self.event_shape)
        if shape[-rank:] != self.params_shape:
            if not shape or shape[-1] != self.params_size:
                raise ValueError(
                    f"{type(self).__name__} expects params of shape "
                    f"{('...', *self.params_shape)}: {', '.join(self.parameter_names)} side by "
                    f"side on the last axis. Received: params of shape {shape}. "
                    f"End the network with a layer of {self.params_size} units, or change the "
                    f"event_shape={self.event_shape}."
                )
            params = tf.reshape(params, tf.concat([tf.shape(params)[:-1], self.params_shape], 0))
            params = tf.ensure_shape(params, (*shape[:-1], *self.params_shape))
        return [params] if len(sizes) == 1 else tf.split(params, sizes, axis=-1)

    def _concatenate(self, params, sizes):
        params = [wide(tensor) for tensor in params]
        if any(tensor.dtype == tf.float64 for tensor in params):
            params = [tf.cast(tensor, tf.float64) for tensor in params]
        received = tuple(tuple(tensor.shape) for tensor in params)
        expected = tuple((*self.event_shape[:-1], size) for size in sizes)
        fits = len(received) == len(expected) and all(
            shape[-len(event) :] == event for shape, event in zip(received, expected, strict=True)
        )
        if not fits:
            raise ValueError(
                f"{type(self).__name__} expects one tensor, or a list of "
                f"{len(sizes)} ({', '.join(self.parameter_names)}) that end in the shapes "
                f"{', '.join(map(str, expected))}. Received: params of the shapes "
                f"{', '.join(map(str, received))}. "
                "A network gives parameters alone: leave samples of the latent out."
            )
        return tf.concat(params, axis=-1)

    def _check_event(self, x, parameter):
        shape = tuple(x.shape)
        rank = len(self.event_shape)
        if len(shape) != rank + 1 or any(
            size not in (None, expected)
            for size, expected in zip(shape[1:], self.event_shape, strict=False)
        ):
            raise ValueError(
                f"{type(self).__name__} expects data of shape {('batch', *self.event_shape)}. "
                f"Received: data of shape {shape}. Reshape the data or change the "
                f"event_shape={self.event_shape}."
            )
        # TensorFlow would repeat a single example for all parameters, or the reverse.
        batch = parameter.shape[-rank - 1] if parameter.shape.rank > rank else None
        if None not in (batch, shape[0]) and batch != shape[0]:
            raise ValueError(
                f"{type(self).__name__} expects as many data points as params. "
                f"Received: data of shape {shape} and params for a batch of {batch}. "
                "Give the params of each data point."
            )
        return x


def independent_over_leading_axes(distribution, event_shape):
    """Makes a distribution over the last axis one over all axes of `event_shape`."""
    if len(event_shape) == 1:
        return distribution
    return tfd.Independent(distribution, reinterpreted_batch_ndims=len(event_shape) - 1)
