import numpy as np

from keras_vae._checks import count
from keras_vae._types import Array, Integer
from keras_vae.evaluation._disentanglement_checks import checked_examples
from keras_vae.evaluation._information import mutual_information_matrix


def modularity(codes: Array, factors: Array, num_bins: Integer = 20) -> float:
    """Returns the modularity: does each latent tell of one factor alone?

    Several latents may share a factor. Latents are binned as by `mutual_information_gap`.

        modularity = mean_i (1 - sum_{j != a} I(z_i; v_j)^2 / (I(z_i; v_a)^2 (k - 1))),
        a the factor that z_i tells most of

    It is 1 for noiseless latents of one factor each where the factors are independent in the
    examples. A latent that tells nothing of any factor, as a constant one, is left out of the
    mean; 0 if none is left. A pair rotated by 45 degrees scores 0.

    Chance is not 0: what a latent of pure noise seems to tell of each factor is 1 / (2 N) times a
    chi-squared number with (num_bins - 1) (K_j - 1) degrees of freedom, K_j the values of factor
    j. N cancels: noise scores about 0.34 for three factors of four values, and 0.99 for two of 2
    and 10 values, however many examples there are. Latents of noise count like the others.
    Compare with the score of `rng.permutation(codes)`.

    Args:
        codes: Array `(N, d)`.
        factors: Array `(N, k)`, the discrete factors of the same examples.
        num_bins: Integer >= 2, bins a latent. Defaults to 20.

    Returns:
        A number in [0, 1].

    Raises:
        TypeError: If an argument is of another kind.
        ValueError: If shapes do not fit, an entry is not finite, or a factor is constant or
            continuous.

    Reference:
        Ridgeway and Mozer, "Learning Deep Disentangled Embeddings With the F-Statistic Loss",
        2018.

    Example:
        >>> import numpy as np
        >>> factors = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
        >>> modularity(factors[:, [0, 0, 1]], factors)
        1.0
    """
    codes, labels = checked_examples(codes, factors, "modularity")
    num_bins = count(num_bins, "num_bins", "modularity", 2)
    squares = mutual_information_matrix(codes, labels, num_bins) ** 2
    squares = squares[squares.max(axis=1) > 0.0]
    if not len(squares):
        return 0.0
    most = squares.max(axis=1)
    others = (squares.sum(axis=1) - most) / (squares.shape[1] - 1)
    return float(np.mean(1.0 - others / most))
