import numpy as np

from keras_vae._checks import count
from keras_vae._requirements import check_scikit_learn
from keras_vae._types import Array, Integer
from keras_vae.evaluation._disentanglement_checks import checked_examples
from keras_vae.evaluation._shared_factor import halves, sharing


def beta_vae_score(
    codes: Array,
    factors: Array,
    batch_size: Integer = 64,
    num_batches: Integer = 500,
    seed: Integer = 0,
) -> float:
    """Returns how well a linear classifier finds the factor that pairs share (beta-VAE score).

    Pairs of examples share the value of one factor, which the pairs of a batch take in turn at
    random; the others are as they come. Which factor is shared is to be seen in how close the
    latents of a pair are: a multinomial logistic regression learns it from half of the batches.

        feature of a batch = mean over its pairs of |z - z'|                        (d numbers)
        score              = accuracy on the other half

    It is 1 where each factor has a noiseless latent of its own, whatever the other latents are;
    for k factors k - 1 such latents suffice, so that a high score says less than one of
    `factor_vae_score`. Chance: 1 / k, also for a pair rotated by 45
    degrees, and above it for few examples, as the same ones come again.

    Args:
        codes: Array `(N, d)`.
        factors: Array `(N, k)`, the discrete factors of the same examples. Pairs are drawn from
            these, with replacement: each value should be in many of them.
        batch_size: Integer >= 1, pairs a batch. Defaults to 64.
        num_batches: Integer >= 2, batches of each factor. Defaults to 500.
        seed: Integer >= 0. Defaults to 0.

    Returns:
        A number in [0, 1].

    Raises:
        ImportError: If scikit-learn is missing.
        TypeError: If an argument is of another kind.
        ValueError: If shapes do not fit, an entry is not finite, or a factor is constant or
            continuous.

    Reference:
        Higgins et al., "beta-VAE: Learning Basic Visual Concepts with a Constrained Variational
        Framework", 2017.

    Example:
        >>> import numpy as np
        >>> factors = np.random.default_rng(0).integers(3, size=(300, 2))
        >>> beta_vae_score(factors, factors, num_batches=20)
        1.0
    """
    owner = "beta_vae_score"
    codes, labels = checked_examples(codes, factors, owner)
    size = count(num_batches, "num_batches", owner, 2), count(batch_size, "batch_size", owner)
    rng = np.random.default_rng(count(seed, "seed", owner, 0))
    check_scikit_learn(owner, "whose logistic regression tells the factors apart")
    from sklearn.linear_model import LogisticRegression

    differences = []
    for factor in labels.T:
        first = rng.integers(len(codes), size=size)
        second = sharing(factor, first, size, rng)
        differences.append(np.mean(np.abs(codes[first] - codes[second]), axis=1))
    train, train_factors, test, test_factors = halves(np.stack(differences))
    # With one scale for all, the penalty of the regression is the same whatever the latents'.
    mean, spread = train.mean(axis=0), train.std(axis=0)
    spread[spread == 0.0] = 1.0
    classifier = LogisticRegression(max_iter=1000)
    classifier.fit((train - mean) / spread, train_factors)
    return float(np.mean(classifier.predict((test - mean) / spread) == test_factors))
