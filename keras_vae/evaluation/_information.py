"""How much each latent tells of each factor."""

import numpy as np


def mutual_information_matrix(codes, labels, num_bins):
    """Returns I(z_i; v_j) of the binned latents and the factors, `(d, k)`, in nats."""
    return np.array(
        [
            [_mutual_information(bins, factor) for factor in labels.T]
            for bins in (equal_frequency_bins(latent, num_bins) for latent in codes.T)
        ]
    )


def equal_frequency_bins(latent, num_bins):
    """Returns the number of the bin of each entry: bins of as equal a size as ties allow.

    Equal values share a bin, and as many values as bins or fewer are a bin each. Other than by
    bins of equal width, the result is the same for any increasing function of the latent, and an
    outlier does not push all the others into one bin.
    """
    values, inverse, counts = np.unique(latent, return_inverse=True, return_counts=True)
    inverse = inverse.reshape(-1)
    if len(values) <= num_bins:
        return inverse
    ranks = np.cumsum(counts) - 0.5 * counts
    return (ranks * num_bins / len(latent)).astype(np.int64)[inverse]


def entropy(labels):
    """Returns the entropy in nats of labels that number values from 0."""
    probability = np.bincount(labels) / len(labels)
    probability = probability[probability > 0.0]
    return -np.sum(probability * np.log(probability))


def _mutual_information(a, b):
    together = a * (b.max() + 1) + b
    information = entropy(a) + entropy(b) - entropy(together)
    # Rounding alone leaves some 1e-15 of either sign, and ratios of that mean nothing.
    return information if information > 1e-12 else 0.0
