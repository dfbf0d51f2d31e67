"""What the plain serialisable objects share: families, objectives, penalties."""


class Configurable:
    """An object that `get_config` describes in full."""

    @classmethod
    def from_config(cls, config):
        """Returns the object that has these constructor arguments."""
        return cls(**config)

    def __repr__(self):
        arguments = ", ".join(f"{key}={value!r}" for key, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"
