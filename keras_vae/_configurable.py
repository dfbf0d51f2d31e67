"""What the plain serialisable objects share: families, objectives, penalties."""

import inspect
from typing import TYPE_CHECKING

from keras_vae._registry import revived
from keras_vae._types import Config

if TYPE_CHECKING:
    from typing_extensions import Self


class Configurable:
    """An object that `get_config` describes in full."""

    @classmethod
    def from_config(cls, config: Config) -> "Self":
        """Returns the object that has these constructor arguments."""
        return cls(**{key: revived(value) for key, value in config.items()})

    def __repr__(self):
        # Of one that is a Keras layer as well, only what is its own.
        own = inspect.signature(type(self).__init__).parameters
        config = {key: value for key, value in self.get_config().items() if key in own}
        arguments = ", ".join(f"{key}={value!r}" for key, value in config.items())
        return f"{type(self).__name__}({arguments})"
