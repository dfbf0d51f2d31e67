"""What must be there before anything else is imported, each told in one sentence."""

import importlib.util
import os
import sys


def check():
    """Raises ImportError if Keras does not run on TensorFlow or if `tf_keras` is missing."""
    if "keras" not in sys.modules:
        # Importing Keras with a backend that is not installed fails with a message about that
        # backend, not about this package: ask before importing.
        _check_backend(os.environ.get("KERAS_BACKEND", "tensorflow"))
    if importlib.util.find_spec("tf_keras") is None:
        raise ImportError(
            "keras_vae expects the package tf_keras, without which TensorFlow Probability cannot "
            "be imported beside Keras 3. Received: no tf_keras in this environment. "
            "Install it with `pip install 'tensorflow-probability[tf]'`."
        )
    import keras

    _check_backend(keras.backend.backend())


def check_scikit_learn(owner, purpose):
    """Raises ImportError if scikit-learn, which only some functions need, is missing."""
    if importlib.util.find_spec("sklearn") is None:
        raise ImportError(
            f"{owner} expects the package scikit-learn, {purpose}. Received: no scikit-learn in "
            "this environment. Install it with `pip install scikit-learn`."
        )


def _check_backend(backend):
    if backend != "tensorflow":
        raise ImportError(
            "keras_vae expects Keras to run on TensorFlow. "
            f"Received: KERAS_BACKEND={backend!r}. "
            "Set the environment variable KERAS_BACKEND=tensorflow before Keras is imported."
        )
