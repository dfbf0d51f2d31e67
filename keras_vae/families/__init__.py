"""Families of distributions: the step from a network's output to a distribution."""

from collections.abc import Sequence

import tensorflow as tf

from keras_vae._registry import find
from keras_vae.families._bernoulli import Bernoulli
from keras_vae.families._blockwise import Blockwise
from keras_vae.families._categorical import Categorical
from keras_vae.families._continuous_bernoulli import ContinuousBernoulli
from keras_vae.families._deterministic import Deterministic
from keras_vae.families._discretized_logistic import DiscretizedLogistic
from keras_vae.families._elementwise import ElementwiseFamily
from keras_vae.families._family import Family
from keras_vae.families._inverse_autoregressive_flow import InverseAutoregressiveFlow
from keras_vae.families._laplace import Laplace
from keras_vae.families._multivariate_normal_diag import MultivariateNormalDiag
from keras_vae.families._multivariate_normal_tril import MultivariateNormalTriL
from keras_vae.families._negative_binomial import NegativeBinomial
from keras_vae.families._normal import Normal
from keras_vae.families._poisson import Poisson
from keras_vae.families._power_spherical import PowerSpherical
from keras_vae.families._relaxed_one_hot_categorical import RelaxedOneHotCategorical
from keras_vae.families._student_t import StudentT
from keras_vae.families._von_mises_fisher import VonMisesFisher
from keras_vae.families._zero_inflated_negative_binomial import ZeroInflatedNegativeBinomial

__all__ = [
    "Bernoulli",
    "Blockwise",
    "Categorical",
    "ContinuousBernoulli",
    "Deterministic",
    "DiscretizedLogistic",
    "ElementwiseFamily",
    "Family",
    "InverseAutoregressiveFlow",
    "Laplace",
    "MultivariateNormalDiag",
    "MultivariateNormalTriL",
    "NegativeBinomial",
    "Normal",
    "Poisson",
    "PowerSpherical",
    "RelaxedOneHotCategorical",
    "StudentT",
    "VonMisesFisher",
    "ZeroInflatedNegativeBinomial",
    "get",
]

_ALL = (
    Bernoulli,
    Blockwise,
    Categorical,
    ContinuousBernoulli,
    Deterministic,
    DiscretizedLogistic,
    InverseAutoregressiveFlow,
    Laplace,
    MultivariateNormalDiag,
    MultivariateNormalTriL,
    NegativeBinomial,
    Normal,
    Poisson,
    PowerSpherical,
    RelaxedOneHotCategorical,
    StudentT,
    VonMisesFisher,
    ZeroInflatedNegativeBinomial,
)

# Those that need an argument beyond the event shape have no name that stands for an object.
_BY_NAME = tuple(family for family in _ALL if family not in (Blockwise, Categorical))


def get(identifier: Family | str, params_shape: Sequence[int] | None) -> Family:
    """Returns a family from an object or a name, the event shape read off a network's output.

    Args:
        identifier: A `Family`, or the snake_case name of one, such as "bernoulli".
        params_shape: Tuple. Shape of the network's output without the batch axis.

    Raises:
        TypeError: If `identifier` is neither.
        ValueError: If the name is unknown, or no event shape fits the network's output.

    Example:
        >>> get("multivariate_normal_diag", (6,))
        MultivariateNormalDiag(event_shape=(3,))
    """
    return _get(identifier, params_shape, "families.get", "identifier")


def _get(identifier, params_shape, owner, argument):
    """Returns the family; `owner` and its `argument` are what errors name."""
    if isinstance(identifier, Family):
        return identifier
    if isinstance(identifier, str):
        if not isinstance(params_shape, (list, tuple, tf.TensorShape)) or not len(params_shape):
            raise TypeError(
                f"{owner} expects params_shape to be the shape of a network's output. "
                f"Received: params_shape={params_shape!r}. For example (6,)."
            )
        cls = find(identifier, _BY_NAME, "a family", owner, argument)
        return cls.from_params_shape(params_shape)
    raise TypeError(
        f"{owner} expects a family of distributions or its name. Received: "
        f"{argument}={identifier!r}. For example families.Bernoulli((28, 28)) or 'bernoulli'."
    )
