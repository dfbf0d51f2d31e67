from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import keras
import tensorflow as tf

from keras_vae._registry import serializable, snake_case
from keras_vae._tfp import tfd, tfp
from keras_vae._types import Config, Params
from keras_vae.families._family import Family

if TYPE_CHECKING:
    from typing_extensions import Self


@serializable
class Blockwise(Family, keras.layers.Layer):
    """Columns of several kinds side by side, each group with a family of its own.

    The likelihood of a table: numbers, counts, yes or no, classes. An event is the concatenation
    of the families' events along the last axis, and its parameters that of their parameters; the
    groups are independent.

        x = [x_1, ..., x_G];    log p(x) = sum_g log p_g(x_g)                           [nats]

    It is a Keras layer as well, since a family in it may own a weight. Missing entries and data
    outside of a support are left to the families.

    Args:
        families: List of families whose event shapes agree before the last axis.
        **kwargs: Arguments of `keras.layers.Layer`, such as `name`.

    Shapes:
        params: `(..., *event_shape[:-1], total)`, where `total` is the sum of the last axes of
            the families' `params_shape`; or a list with one tensor for each family.
        samples: `(..., *event_shape)`.

    Raises:
        TypeError: If `families` is no list of families.
        ValueError: If it is empty, if its event shapes do not fit, or if `params` has another
            shape.

    Reference:
        Nazabal, Olmos, Ghahramani and Valera, "Handling Incomplete Heterogeneous Data using
        VAEs", 2020.

    Example:
        >>> from keras_vae import families
        >>> table = [families.Normal(2), families.Categorical(1, num_classes=3)]
        >>> family = Blockwise(table)
        >>> family.event_shape, family.params_size
        ((3,), 5)
    """

    def __init__(self, families: Sequence[Family], **kwargs: Any) -> None:
        keras.layers.Layer.__init__(self, **kwargs)
        self.families = _check_families(families)
        self.parameter_names = tuple(snake_case(type(family).__name__) for family in self.families)
        self._event_sizes = [family.event_shape[-1] for family in self.families]
        Family.__init__(self, (*self.families[0].event_shape[:-1], sum(self._event_sizes)))
        self.built = True

    def __call__(self, params: Params) -> tfd.Distribution:
        # The family's call, not the layer's, which would cast the parameters to the dtype policy.
        return Family.__call__(self, params)

    def call(self, params: Params) -> NoReturn:
        """Not used: a distribution cannot travel between layers."""
        raise NotImplementedError

    @property
    def real_valued(self) -> bool:
        """Whether those of all families are."""
        return all(family.real_valued for family in self.families)

    @property
    def entries_independent(self) -> bool:
        """Whether those of all families are."""
        return all(family.entries_independent for family in self.families)

    def _parameter_sizes(self, size):
        del size
        return tuple(family.params_shape[-1] for family in self.families)

    def _distribution(self, *blocks):
        pairs = zip(self.families, blocks, strict=True)
        return _Blocks([family(block) for family, block in pairs])

    def _sample(self, shape, seed, *blocks):
        seeds = tfp.random.split_seed(seed, len(blocks))
        samples = [
            family._sample(shape, seeds[i], *family._split(blocks[i]))
            for i, family in enumerate(self.families)
        ]
        return tf.concat(samples, axis=-1)

    def _point_estimate(self, *blocks):
        pairs = zip(self.families, blocks, strict=True)
        return tf.concat([family.point_estimate(block) for family, block in pairs], axis=-1)

    def _log_likelihood(self, x, missing, *blocks, training):
        return tf.add_n(
            [
                family._log_likelihood(x, missing, *parameters, training=training)
                for family, x, missing, *parameters in self._parts(x, missing, blocks)
            ]
        )

    def _entry_log_likelihood(self, x, missing, *blocks):
        parts = self._parts(x, missing, blocks)
        return tf.concat([family._entry_log_likelihood(*part) for family, *part in parts], axis=-1)

    def _missing_events(self, missing):
        pairs = zip(self.families, tf.split(missing, self._event_sizes, axis=-1), strict=True)
        return tf.concat([family._missing_events(part) for family, part in pairs], axis=-1)

    def _expectation(self, x, missing, *blocks):
        return [family._expectation(*part) for family, *part in self._parts(x, missing, blocks)]

    def _event_of(self, expectation):
        pairs = zip(self.families, expectation, strict=True)
        return tf.concat([family._event_of(part) for family, part in pairs], axis=-1)

    def _sample_missing(self, x, missing, seed, *blocks):
        seeds = tfp.random.split_seed(seed, len(blocks))
        samples = [
            family._sample_missing(x, missing, noise, *parameters)
            for noise, (family, x, missing, *parameters) in zip(
                seeds, self._parts(x, missing, blocks), strict=True
            )
        ]
        return tf.concat(samples, axis=-1)

    def _parts(self, x, missing, blocks):
        """Returns, for each family, itself, its data, what is missing of them, its parameters."""
        x, missing = (tf.split(part, self._event_sizes, axis=-1) for part in (x, missing))
        return [
            (family, *part, *family._split(block))
            for family, *part, block in zip(self.families, x, missing, blocks, strict=True)
        ]

    def get_config(self) -> Config:
        layer = keras.layers.Layer.get_config(self)
        families = [keras.saving.serialize_keras_object(family) for family in self.families]
        return {**layer, "families": families}

    @classmethod
    def from_config(cls, config: Config) -> "Self":
        families = [keras.saving.deserialize_keras_object(item) for item in config["families"]]
        return cls(**{**config, "families": families})

    def __repr__(self):
        return f"{type(self).__name__}(families={list(self.families)!r})"


class _Blocks(tfd.Distribution):
    """Independent distributions of one batch shape, their events joined on the last axis.

    TFP's Blockwise joins vectors alone, and has no variance.
    """

    def __init__(self, distributions):
        parameters = dict(locals())
        self.distributions = list(distributions)
        reparameterized = all(
            part.reparameterization_type == tfd.FULLY_REPARAMETERIZED for part in distributions
        )
        super().__init__(
            dtype=distributions[0].dtype,
            reparameterization_type=(
                tfd.FULLY_REPARAMETERIZED if reparameterized else tfd.NOT_REPARAMETERIZED
            ),
            validate_args=False,
            allow_nan_stats=True,
            parameters=parameters,
            name="Blocks",
        )

    @property
    def sizes(self):
        """Lengths of the parts on the last axis."""
        return [part.event_shape[-1] for part in self.distributions]

    def _batch_shape(self):
        return self.distributions[0].batch_shape

    def _batch_shape_tensor(self):
        return self.distributions[0].batch_shape_tensor()

    def _event_shape(self):
        return tf.TensorShape([*self.distributions[0].event_shape[:-1], sum(self.sizes)])

    def _event_shape_tensor(self):
        return tf.constant(self._event_shape().as_list(), tf.int32)

    def _sample_n(self, n, seed=None):
        seeds = tfp.random.split_seed(seed, len(self.distributions))
        samples = [part.sample(n, seed=seeds[i]) for i, part in enumerate(self.distributions)]
        return tf.concat(samples, axis=-1)

    def _log_prob(self, x):
        parts = zip(self.distributions, tf.split(x, self.sizes, axis=-1), strict=True)
        return tf.add_n([part.log_prob(x) for part, x in parts])

    def _mean(self):
        return tf.concat([part.mean() for part in self.distributions], axis=-1)

    def _variance(self):
        return tf.concat([part.variance() for part in self.distributions], axis=-1)

    def _entropy(self):
        return tf.add_n([part.entropy() for part in self.distributions])


@tfd.RegisterKL(_Blocks, _Blocks)
def _kl_blocks(q, p, name=None):
    if q.sizes != p.sizes:
        raise NotImplementedError("The blocks of the two distributions have different sizes.")
    pairs = zip(q.distributions, p.distributions, strict=True)
    return tf.add_n([tfd.kl_divergence(a, b, name=name) for a, b in pairs])


def _check_families(families):
    families = list(families) if isinstance(families, (list, tuple)) else families
    if not isinstance(families, list) or not all(isinstance(item, Family) for item in families):
        raise TypeError(
            "Blockwise expects a list of families. "
            f"Received: families={families!r}. For example [Normal(3), Bernoulli(2)]."
        )
    leading = {family.event_shape[:-1] for family in families}
    if len(leading) != 1:
        raise ValueError(
            "Blockwise expects at least one family, with event shapes that agree before the last "
            f"axis. Received: families={families!r}. Give each the shape of its own columns."
        )
    return families
