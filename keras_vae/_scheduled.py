"""Scalar variables that a callback moves along a schedule, such as the weight of the KL divergence.

They are part of a model's state, so that a resumed run has them, but nothing in a step of the
training changes them: no optimizer, and no restoring of statistics after a step that failed.
"""

import keras


def add_scheduled(layer, name, value):
    """Adds a scalar variable, with this value to begin with, to a layer or model."""
    variable = layer.add_weight(
        name=name,
        shape=(),
        initializer=keras.initializers.Constant(value),
        dtype="float32",
        trainable=False,
        autocast=False,
        # Every replica has the same value: an average could round it.
        aggregation="only_first_replica",
    )
    variable.scheduled = True
    return variable


def is_scheduled(variable):
    """Returns whether `add_scheduled` made this variable."""
    return getattr(variable, "scheduled", False)
