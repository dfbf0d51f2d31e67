import re


def metric_name(layer_name, default_layer_name, metric):
    """Returns the name that a layer logs a metric under.

    Keras numbers the layers that have no name of their own across all models of a process: the
    metric of the only layer of a model must not depend on that.
    """
    if re.fullmatch(rf"{default_layer_name}(_\d+)?", layer_name):
        return metric
    return f"{layer_name}_{metric}"
