import numpy as np

from keras_vae._types import Array
from keras_vae.evaluation._disentanglement_checks import checked_examples


def sap_score(codes: Array, factors: Array) -> float:
    """Returns the separated attribute predictability (SAP): does one latent alone tell a factor?

    For each factor and latent, thresholds on the latent tell the values of the factor apart; the
    score is how much better the best latent does than the runner-up. The thresholds are those of
    a linear discriminant that gives all values the same weight, the middles between their means.

        SAP = 1/k sum_j (A_aj - A_bj),  a the best latent, b the second
        A_ij = mean over the values of v_j of the share of its examples with that value's mean
               as the nearest in z_i                            (balanced accuracy)

    A factor of K values adds at most 1 - 1/K, as a latent that tells nothing gets 1/K: a perfect
    code, each factor alone in a noiseless latent, scores the mean of 1 - 1/K, exactly for
    independent factors and constant other latents. A pair rotated by 45 degrees scores 0.
    Chance: about 0, of the order of 1 / sqrt(N).

    Args:
        codes: Array `(N, d)`.
        factors: Array `(N, k)`, the discrete factors of the same examples.

    Returns:
        A number in [0, 1].

    Raises:
        TypeError: If an argument is of another kind.
        ValueError: If shapes do not fit, an entry is not finite, or a factor is constant or
            continuous.

    Reference:
        Kumar, Sattigeri and Balakrishnan, "Variational Inference of Disentangled Latent Concepts
        from Unlabeled Observations", 2018.

    Example:
        >>> import numpy as np
        >>> factors = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
        >>> sap_score(factors, factors)
        0.5
    """
    codes, labels = checked_examples(codes, factors, "sap_score", min_factors=1)
    accuracy = np.array(
        [[_balanced_accuracy(latent, factor) for factor in labels.T] for latent in codes.T]
    )
    second, best = np.sort(accuracy, axis=0)[-2:]
    return float(np.mean(best - second))


def _balanced_accuracy(latent, labels):
    counts = np.bincount(labels)
    means = np.bincount(labels, latent) / counts
    order = np.argsort(means, kind="stable")
    means = means[order]
    thresholds = 0.5 * (means[1:] + means[:-1])
    guess = order[np.searchsorted(thresholds, latent)]
    return np.mean(np.bincount(labels, guess == labels) / counts)
