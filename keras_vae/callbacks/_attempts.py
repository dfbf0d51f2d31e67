"""Writing that may fail, while a model trains."""

import warnings

import tensorflow as tf


class Attempts:
    """Calls functions that write; the first that fails is a warning, and training goes on.

    Args:
        owner: Name of the callback.
        kind: What is written, for the warning.
    """

    def __init__(self, owner, kind):
        self._owner, self._kind = owner, kind
        self._warned = False

    def succeeds(self, path, write):
        """Calls `write()`, which writes `path`, and returns whether it could."""
        try:
            write()
        except (OSError, tf.errors.OpError) as error:
            if not self._warned:
                warnings.warn(
                    f"{self._owner} expects to write {path}. Received: {error}. Training goes on "
                    f"without this {self._kind}, and without a word about others that fail after "
                    "it. Take a directory that can be written.",
                    stacklevel=2,
                )
            self._warned = True
            return False
        return True
