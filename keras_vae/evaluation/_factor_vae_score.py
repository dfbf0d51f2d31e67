import numpy as np

from keras_vae._checks import count, number
from keras_vae._types import Array, Integer, Number
from keras_vae.evaluation._disentanglement_checks import checked_examples
from keras_vae.evaluation._shared_factor import halves, sharing


def factor_vae_score(
    codes: Array,
    factors: Array,
    batch_size: Integer = 64,
    num_batches: Integer = 500,
    threshold: Number = 0.01,
    seed: Integer = 0,
) -> float:
    """Returns how well the latent that varies least tells which factor is fixed (FactorVAE score).

    The examples of a batch share the value of one factor; the others are as they come. The
    latent that varies least, relative to its variance over all examples, casts a vote for that
    factor. Half of the batches settle which factor each latent stands for, its most frequent
    one: there is nothing to tune.

        vote of a batch = argmin_i Var_batch(z_i) / Var(z_i),  over i with Var(z_i) >= threshold
        score           = share of the other half's votes that name the fixed factor

    It is 1 where each factor has a noiseless latent of its own, whatever the other latents are.
    Chance: 1 / k, also for a pair rotated by 45
    degrees, and above it for few examples, as the same ones come again.

    Args:
        codes: Array `(N, d)`.
        factors: Array `(N, k)`, the discrete factors of the same examples. Batches are drawn
            from these, with replacement: each value should be in many of them.
        batch_size: Integer >= 2, examples a batch. Defaults to 64.
        num_batches: Integer >= 2, batches of each factor. Defaults to 500.
        threshold: Number >= 0. Latents of less variance are dropped, as their variance is that
            of noise: those of `active_units`, if the codes are means of q(z|x). If none is left
            the score is that of chance. Defaults to 0.01.
        seed: Integer >= 0. Defaults to 0.

    Returns:
        A number in [0, 1].

    Raises:
        TypeError: If an argument is of another kind.
        ValueError: If shapes do not fit, an entry is not finite, or a factor is constant or
            continuous.

    Reference:
        Kim and Mnih, "Disentangling by Factorising", 2018.

    Example:
        >>> import numpy as np
        >>> factors = np.random.default_rng(0).integers(3, size=(300, 2))
        >>> factor_vae_score(factors, factors, num_batches=20)
        1.0
    """
    owner = "factor_vae_score"
    codes, labels = checked_examples(codes, factors, owner)
    size = count(num_batches, "num_batches", owner, 2), count(batch_size, "batch_size", owner, 2)
    threshold = number(threshold, "threshold", owner)
    rng = np.random.default_rng(count(seed, "seed", owner, 0))
    variance = codes.var(axis=0)
    active = (variance >= threshold) & (np.ptp(codes, axis=0) > 0.0)
    # Without its offset, which may be large, rounding does not decide.
    codes = ((codes - codes.mean(axis=0)) / np.sqrt(np.where(active, variance, 1.0)))[:, active]
    if not active.any():
        return 1.0 / labels.shape[1]
    votes = []
    for factor in labels.T:
        first = rng.integers(len(codes), size=(size[0], 1))
        batches = sharing(factor, first, size, rng)
        votes.append(np.argmin(codes[batches].var(axis=1), axis=1))
    train, train_factors, test, test_factors = halves(np.stack(votes))
    ballots = np.zeros((codes.shape[1], len(votes)))
    np.add.at(ballots, (train, train_factors), 1.0)
    return float(np.mean(np.argmax(ballots, axis=1)[test] == test_factors))
