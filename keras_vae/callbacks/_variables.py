"""The values of all variables of a model in training."""

import numpy as np
import tensorflow as tf


def values_of(model):
    """Returns the values of all variables: weights, noise, the optimizer's, and metrics.

    Those of each metric are a list of their own, since some metrics have no variable until they
    are used.
    """
    state = [_value(variable) for variable in _variables(model)]
    metrics = [[_value(variable) for variable in metric.variables] for metric in model.metrics]
    return {"state": state, "metrics": metrics}


def assign_values(model, values):
    """Gives all variables these values; a metric without variables, there or here, has not begun.

    Raises:
        ValueError: If the values are of another model.
    """
    pairs = [(_variables(model), values["state"])]
    metrics = [metric.variables for metric in model.metrics]
    if len(metrics) != len(values["metrics"]):
        _refuse(f"{len(values['metrics'])} metrics, where the model has {len(metrics)}")
    pairs += [pair for pair in zip(metrics, values["metrics"], strict=True) if all(pair)]
    for variables, saved in pairs:
        if len(variables) != len(saved):
            _refuse(f"{len(saved)} variables, where the model has {len(variables)}")
        for variable, value in zip(variables, saved, strict=True):
            if tuple(variable.shape) != value.shape:
                shape = tuple(variable.shape)
                _refuse(f"shape {value.shape}, where {variable.path!r} has the shape {shape}")
    for variables, saved in pairs:
        for variable, value in zip(variables, saved, strict=True):
            variable.assign(tf.cast(value, variable.dtype))


def has_all_metrics(model, values):
    """Returns whether every metric that has values has variables for them."""
    pairs = zip(model.metrics, values["metrics"], strict=True)
    return all(metric.variables or not saved for metric, saved in pairs)


def _variables(model):
    """Returns what is not a metric's, each variable once."""
    metrics = {id(variable) for variable in model.metrics_variables}
    variables = {id(v): v for v in [*model.variables, *model.optimizer.variables]}
    return [variable for key, variable in variables.items() if key not in metrics]


def _value(variable):
    value = tf.convert_to_tensor(variable).numpy()
    # NumPy's files know no bfloat16; float32 holds every one of its numbers.
    return np.asarray(value, "float32" if value.dtype.kind == "V" else None)


def _refuse(what):
    raise ValueError(
        "BackupAndRestore expects a backup of the model that is trained. "
        f"Received: a backup with {what}. Build and compile the model as in the run that was "
        "interrupted, or take another backup_dir."
    )
