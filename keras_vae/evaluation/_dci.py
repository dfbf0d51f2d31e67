import typing

import numpy as np

from keras_vae._checks import count
from keras_vae._requirements import check_scikit_learn
from keras_vae._types import Array, Integer
from keras_vae.evaluation._disentanglement_checks import checked_examples

_NUM_TREES = 50
# Smaller leaves fit noise, and latents of noise then seem important. As much as the depth that
# boosted trees are held to does for them, in a fraction of the time.
_LEAF = 20


class DCI(typing.NamedTuple):
    """Three scores, each in [0, 1].

    Attributes:
        disentanglement: Is each latent important to one factor alone?
        completeness: Is one latent alone important to each factor?
        informativeness: How well do all latents together predict the factors?
    """

    disentanglement: float
    completeness: float
    informativeness: float


def dci(codes: Array, factors: Array, seed: Integer = 0) -> DCI:
    """Returns disentanglement, completeness and informativeness by the importance of each latent.

    A random forest a factor learns it from all latents on two thirds of the examples; R_ij is the
    importance of latent i to factor j (the share of the decrease of the Gini impurity), P its
    rows and Q its columns divided by their sums. `H_b` is the entropy to the base b.

        disentanglement = sum_i w_i (1 - H_k(P_i)),  w_i = sum_j R_ij / sum R
        completeness    = 1/k sum_j (1 - H_d(Q_j))
        informativeness = 1/k sum_j (accuracy of factor j on the other examples)

    All are 1 where each factor has a noiseless latent of its own, whatever the other latents are:
    the trees see every latent at every split. For that each value must be in 20 of the examples
    to learn from. A pair rotated by 45 degrees scores about 0 for both others, and informs.
    Chance: about 0, and for informativeness the mean share of each factor's most frequent value.

    Args:
        codes: Array `(N, d)`.
        factors: Array `(N, k)`, the discrete factors of the same examples.
        seed: Integer >= 0, of the division and the forests. Defaults to 0.

    Returns:
        `DCI(disentanglement, completeness, informativeness)`.

    Raises:
        ImportError: If scikit-learn is missing.
        TypeError: If an argument is of another kind.
        ValueError: If shapes do not fit, an entry is not finite, or a factor is constant or
            continuous.

    Reference:
        Eastwood and Williams, "A Framework for the Quantitative Evaluation of Disentangled
        Representations", 2018.

    Example:
        >>> import numpy as np
        >>> factors = np.random.default_rng(0).integers(3, size=(300, 2))
        >>> dci(factors, factors)
        DCI(disentanglement=1.0, completeness=1.0, informativeness=1.0)
    """
    codes, labels = checked_examples(codes, factors, "dci")
    seed = count(seed, "seed", "dci", 0)
    check_scikit_learn("dci", "whose random forests tell how important each latent is")
    importance, accuracy = _forests(codes, labels, seed)
    by_latent = importance.sum(axis=1)
    disentanglement = by_latent @ _certainty(importance) / max(by_latent.sum(), 1.0)
    completeness = np.mean(_certainty(importance.T))
    return DCI(float(disentanglement), float(completeness), float(np.mean(accuracy)))


def _forests(codes, labels, seed):
    """Returns the importances `(d, k)`, each column of the sum 1 or 0, and the accuracies."""
    from sklearn.ensemble import RandomForestClassifier

    # The trees compute in float32.
    spread = codes.std(axis=0)
    codes = (codes - codes.mean(axis=0)) / np.where(spread > 0.0, spread, 1.0)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(codes))
    test, train = np.split(order, [len(order) // 3])
    importance, accuracy = [], []
    for factor in labels.T:
        forest = RandomForestClassifier(
            _NUM_TREES,
            max_features=None,
            min_samples_leaf=_LEAF,
            random_state=int(rng.integers(2**31)),
        )
        forest.fit(codes[train], factor[train])
        importance.append(forest.feature_importances_)
        accuracy.append(np.mean(forest.predict(codes[test]) == factor[test]))
    return np.stack(importance, axis=1), accuracy


def _certainty(weights):
    """Returns 1 minus the entropy of each row to the base of its length; 0 for rows of zeros."""
    total = weights.sum(axis=1, keepdims=True)
    uniform = np.full_like(weights, 1.0 / weights.shape[1])
    share = np.divide(weights, total, uniform, where=total > 0.0)
    log_share = np.log(np.where(share > 0.0, share, 1.0))
    return 1.0 + np.sum(share * log_share, axis=1) / np.log(weights.shape[1])
