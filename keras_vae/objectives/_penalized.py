import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import keras
import tensorflow as tf

from keras_vae._checks import items
from keras_vae._registry import serializable
from keras_vae._types import Config
from keras_vae.objectives._objective import Objective
from keras_vae.objectives._penalty import Penalty
from keras_vae.objectives._terms import Terms

if TYPE_CHECKING:
    from typing_extensions import Self


@serializable
class Penalized(Objective):
    """An objective with penalties added to it: any number, on any objective.

    Each penalty is logged under its name, without its weight, beside what else it logs.

        loss = base + sum_i weight_i * penalty_i                                        [nats]

    Args:
        base: An `Objective`.
        penalties: A `Penalty` or a list of them, of different names.

    Shapes:
        terms: `Terms` with S samples and B examples.
        returns: `(B,)`.

    Raises:
        TypeError: If `base` or a penalty is of another kind.
        ValueError: If two penalties have one name.

    Example:
        >>> from keras_vae.objectives import ELBO, DIP
        >>> Penalized(ELBO(), [DIP(weight=10.0)]).logged
        ('dip',)
    """

    penalties: list[Penalty]

    def __init__(self, base: Objective, penalties: Penalty | Sequence[Penalty]) -> None:
        penalties = [penalties] if isinstance(penalties, Penalty) else penalties
        penalties = items(penalties, "penalties", "Penalized")
        if not isinstance(base, Objective) or not all(isinstance(p, Penalty) for p in penalties):
            raise TypeError(
                "Penalized expects an objective and penalties. "
                f"Received: base={base!r}, penalties={penalties!r}. "
                "For example Penalized(ELBO(), [DIP(weight=10.0)])."
            )
        self.base = base
        self.penalties = penalties
        if len(set(self.logged)) < len(self.logged):
            raise ValueError(
                "Penalized expects one penalty of each kind, since they are logged by name. "
                f"Received: penalties={penalties!r}. Add up their weights."
            )

    @property
    def num_samples(self) -> int:  # type: ignore[override]
        """Latent samples an example: those of the base."""
        return self.base.num_samples

    @property
    def logged(self) -> tuple[str, ...]:  # type: ignore[override]
        """Names that the objective logs beside the usual terms."""
        names = [(penalty.name, *penalty.logged) for penalty in self.penalties]
        return (*self.base.logged, *itertools.chain.from_iterable(names))

    def __call__(self, terms: Terms) -> tf.Tensor:
        loss = self.base(terms)
        for penalty in self.penalties:
            value = penalty(terms)
            terms.log[penalty.name] = tf.broadcast_to(value, tf.shape(loss))
            loss += terms.at_step(penalty.weight) * value
            own = penalty.own_loss(terms)
            if own is not None:
                loss += own - tf.stop_gradient(own)
        return loss

    def parts(self) -> tuple[keras.layers.Layer, ...]:
        """Returns the Keras layers that hold the state of the base and of the penalties."""
        return tuple(part for each in (self.base, *self.penalties) for part in each.parts())  # type: ignore[attr-defined]

    def get_config(self) -> Config:
        serialize = keras.saving.serialize_keras_object
        return {"base": serialize(self.base), "penalties": [serialize(p) for p in self.penalties]}

    def __repr__(self):
        return f"Penalized(base={self.base!r}, penalties={self.penalties!r})"

    @classmethod
    def from_config(cls, config: Config) -> "Self":
        deserialize = keras.saving.deserialize_keras_object
        return cls(deserialize(config["base"]), [deserialize(p) for p in config["penalties"]])
