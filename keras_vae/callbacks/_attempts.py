"""Writing that may fail, while a model trains."""

import warnings

import tensorflow as tf

from keras_vae._distribute import is_chief


class Attempts:
    """Calls functions that write; the first that fails is a warning, and training goes on.

    Of several processes that train one model the first one writes, and the others do not.

    Args:
        callback: The callback, whose training has begun.
        kind: What is written, for the warning.
    """

    def __init__(self, callback, kind):
        self._owner, self._kind = type(callback).__name__, kind
        self._writes = is_chief(callback.model.distribute_strategy)
        self._warned = False

    def succeeds(self, path, write):
        """Calls `write()`, which writes `path`, and returns whether it has."""
        if not self._writes:
            return False
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
