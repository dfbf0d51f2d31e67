"""Runs a SavedModel's signatures without Keras. Run by `test_vae_model_export.py`."""

import importlib.machinery
import sys


class Blocked:
    """Finds Keras and this package, as TensorFlow asks for, but refuses to load them."""

    names = ("keras", "keras_vae", "tf_keras", "tensorflow_probability")

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.names:
            return importlib.machinery.ModuleSpec(name, self)
        return None

    def create_module(self, spec):
        raise ImportError(f"{spec.name} is blocked")

    def exec_module(self, module):
        raise ImportError(f"{module.__name__} is blocked")


def main(directory, inputs, outputs):
    sys.meta_path.insert(0, Blocked())
    import numpy as np
    import tensorflow as tf

    served = tf.saved_model.load(directory)
    data = dict(np.load(inputs))
    results = {}
    for name, signature in served.signatures.items():
        wanted = signature.structured_input_signature[1]
        arguments = {key: tf.constant(data[key]) for key in wanted}
        for key, value in signature(**arguments).items():
            results[f"{name}/{key}"] = value.numpy()
    np.savez(outputs, **results)
    loaded = {name.split(".")[0] for name in sys.modules}
    assert not loaded & set(Blocked.names), loaded & set(Blocked.names)


if __name__ == "__main__":
    main(*sys.argv[1:])
