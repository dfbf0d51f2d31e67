"""The variable that `KLAnnealing` moves."""


def add_kl_weight(layer):
    """Adds the weight of the KL divergence, 1 to begin with, to a layer or model."""
    return layer.add_weight(
        name="kl_weight",
        shape=(),
        initializer="ones",
        dtype="float32",
        trainable=False,
        autocast=False,
        # Every replica has the same value: an average could round it.
        aggregation="only_first_replica",
    )
