import numpy as np

from keras_vae._checks import count
from keras_vae._types import Array, Integer
from keras_vae.evaluation._disentanglement_checks import checked_examples
from keras_vae.evaluation._information import entropy, mutual_information_matrix


def mutual_information_gap(codes: Array, factors: Array, num_bins: Integer = 20) -> float:
    """Returns the mutual information gap (MIG): is each factor in one latent alone?

    For each factor, how much more the latent that tells most of it tells than the runner-up, as
    a share of what there is to tell. Each latent is cut into bins of equal frequency, so that the
    score is the same for any increasing function of a latent.

        MIG = 1/k sum_j (I(z_a; v_j) - I(z_b; v_j)) / H(v_j),  a the best latent, b the second

    It is 1 where each factor has a noiseless latent of its own, takes at most `num_bins` values
    and is independent of the others in the examples, if the other latents are constant. Noise
    latents cost a little: the estimates of I(z; v_j) are too high by about
    (num_bins - 1) (K_j - 1) / (2 N) nats, K_j the values of factor j. It is 0 where two latents
    tell as much of each factor, as a pair rotated by 45 degrees does. Chance: about 0.

    Args:
        codes: Array `(N, d)`: means of q(z|x), or samples, as in the paper, where a latent that
            the model has given up tells nothing.
        factors: Array `(N, k)`, the discrete factors of the same examples.
        num_bins: Integer >= 2, bins a latent. Defaults to 20.

    Returns:
        A number in [0, 1].

    Raises:
        TypeError: If an argument is of another kind.
        ValueError: If shapes do not fit, an entry is not finite, or a factor is constant or
            continuous.

    Reference:
        Chen, Li, Grosse and Duvenaud, "Isolating Sources of Disentanglement in Variational
        Autoencoders", 2018, equation 6.

    Example:
        >>> import numpy as np
        >>> factors = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
        >>> mutual_information_gap(factors, factors)
        1.0
        >>> rotated = factors @ np.array([[1, 1], [1, -1]])
        >>> mutual_information_gap(rotated, factors)
        0.0
    """
    owner = "mutual_information_gap"
    codes, labels = checked_examples(codes, factors, owner, min_factors=1)
    num_bins = count(num_bins, "num_bins", owner, 2)
    information = mutual_information_matrix(codes, labels, num_bins)
    second, best = np.sort(information, axis=0)[-2:]
    entropies = np.array([entropy(factor) for factor in labels.T])
    return float(np.mean((best - second) / entropies))
