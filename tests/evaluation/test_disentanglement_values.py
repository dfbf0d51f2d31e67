"""Disentanglement scores against closed forms and independent computations."""

import math

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, mutual_info_score
from sklearn.neighbors import NearestCentroid

from keras_vae import evaluation
from keras_vae.evaluation._disentanglement_checks import checked_examples
from keras_vae.evaluation._information import equal_frequency_bins, mutual_information_matrix
from keras_vae.evaluation._shared_factor import sharing


def grid(*levels, repeats=100):
    axes = np.meshgrid(*map(np.arange, levels), indexing="ij")
    return np.tile(np.stack(axes, axis=-1).reshape(-1, len(levels)), (repeats, 1))


def test_a_factor_and_the_sum_of_two():
    """I(v; v) = log K, I(v + w; v) = I(v + w; w) = H(v + w) - log K, I(v; w) = 0.

    The gaps are 2 log K - H(v + w) and H(v + w) - log K, whose mean is half of log K.
    """
    factors = grid(5, 5)
    codes = np.stack([factors[:, 0], factors.sum(axis=1)], axis=1)
    assert evaluation.mutual_information_gap(codes, factors) == pytest.approx(0.5, abs=1e-12)
    # The first latent tells of one factor alone, the other the same of both.
    assert evaluation.modularity(codes, factors) == pytest.approx(0.5, abs=1e-12)


def test_the_gap_is_one_between_latents():
    """Not one between factors, nor one of a matrix (d, k) read as (k, d) without a transposition.

    That was disentangling-vae #52. Entropies differ, so that each goes with its own factor.
    """
    factors = grid(2, 7)
    a, b = factors.T
    nothing = np.zeros(len(a))
    for latents, expected in (
        ((a, b, nothing, nothing), 1.0),
        ((a, a, b), 0.5),
        ((a, b, a, b), 0.0),
        ((b, b, nothing, nothing), 0.0),
        ((nothing, b, nothing), 0.5),
    ):
        found = evaluation.mutual_information_gap(np.stack(latents, axis=1), factors)
        assert found == pytest.approx(expected, abs=1e-12)
    examples = checked_examples(np.stack([nothing, b, a], axis=1), factors, "test")
    information = mutual_information_matrix(*examples, 20)
    expected = [[0.0, 0.0], [0.0, math.log(7)], [math.log(2), 0.0]]
    np.testing.assert_allclose(information, expected, atol=1e-12)


def test_mutual_information_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    factors = np.stack([rng.integers(k, size=500) for k in (2, 4, 9)], axis=1)
    codes = factors @ rng.normal(size=(3, 4)) + rng.normal(size=(500, 4))
    examples = checked_examples(codes, factors, "test")
    for num_bins in (2, 20):
        edges = [np.quantile(z, np.arange(1, num_bins) / num_bins) for z in codes.T]
        binned = [np.searchsorted(e, z) for e, z in zip(edges, codes.T, strict=True)]
        expected = [[mutual_info_score(z, v) for v in factors.T] for z in binned]
        found = mutual_information_matrix(*examples, num_bins)
        np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_bins_of_equal_frequency():
    latent = np.random.default_rng(0).permutation(1000) ** 3.0
    np.testing.assert_array_equal(np.bincount(equal_frequency_bins(latent, 8)), np.full(8, 125))
    # Equal values stay together, and few values keep a bin each, however rare.
    counts = [1, 2, 50, 47]
    tied = np.repeat([0.0, 1.0, 2.0, 9.0], counts)
    np.testing.assert_array_equal(np.bincount(equal_frequency_bins(tied, 4)), counts)
    np.testing.assert_array_equal(np.bincount(equal_frequency_bins(tied, 2)), [53, 47])


def test_a_latent_that_tells_nothing_is_not_asked_for_its_modularity():
    # For these sizes rounding alone tells something of either factor, some 1e-15 nats.
    a, b, c = grid(6, 7, 13, repeats=3).T
    codes = np.stack([a, c, b, np.zeros(len(a))], axis=1)
    assert evaluation.modularity(codes, np.stack([a, b], axis=1)) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("name", ["mutual_information_gap", "modularity"])
def test_binned_scores_do_not_see_the_shape_of_a_latent(name):
    factors = grid(4, 4)
    rng = np.random.default_rng(0)
    codes = factors + 0.4 * rng.normal(size=factors.shape)
    codes[:, 1] += 0.5 * codes[:, 0]
    score = getattr(evaluation, name)
    assert score(np.exp(3.0 * codes), factors) == score(codes, factors)
    # An outlier in bins of equal width leaves all others in one, and the score at 0.
    outlier = codes.copy()
    outlier[0] = 1e6
    assert score(outlier, factors) == pytest.approx(score(codes, factors), abs=0.02)
    assert score(codes, factors, num_bins=2) != score(codes, factors)


def test_noise_costs_the_gap_the_bias_of_the_estimate():
    """2 N I of a noise latent is a chi-squared number with (20 - 1) (K - 1) degrees of freedom."""
    levels = np.array([2, 3, 5])
    factors = grid(*levels)
    noise = np.random.default_rng(2).normal(size=(len(factors), 1))
    found = evaluation.mutual_information_gap(np.hstack([factors, noise]), factors)
    scale = 1.0 / (2 * len(factors) * np.log(levels))
    degrees = 19 * (levels - 1)
    bias = np.mean(degrees * scale)
    error = np.sqrt(np.sum(2 * degrees * scale**2)) / 3
    assert abs(1.0 - found - bias) < 4 * error
    assert bias > 4 * error


def test_sap_is_the_gap_of_balanced_accuracies():
    rng = np.random.default_rng(0)
    # Values that are not equally frequent, so that the balance counts.
    factors = np.stack([rng.choice(3, 900, p=[0.7, 0.2, 0.1]), rng.integers(5, size=900)], axis=1)
    codes = factors @ rng.normal(size=(2, 3)) + rng.normal(size=(900, 3))
    gaps = []
    for v in factors.T:
        guesses = [NearestCentroid().fit(z[:, None], v).predict(z[:, None]) for z in codes.T]
        accuracies = sorted(balanced_accuracy_score(v, guess) for guess in guesses)
        gaps.append(accuracies[-1] - accuracies[-2])
    assert evaluation.sap_score(codes, factors) == pytest.approx(np.mean(gaps), abs=1e-12)


def test_importances_of_shared_latents_and_of_shared_factors():
    a, b, c = grid(2, 2, 3).T
    factors = np.stack([a, b, c], axis=1)
    # One latent of two factors of the three: the entropy of its row is log 2 to the base 3.
    scores = evaluation.dci(np.stack([a + 2 * b, c], axis=1), factors)
    expected = 2 / 3 * (1.0 - math.log(2) / math.log(3)) + 1 / 3
    np.testing.assert_allclose(scores, [expected, 1.0, 1.0], atol=1e-12)
    # Three latents of which each of 50 trees takes one of two for the first factor: 0.5 +- 0.07
    # each, three errors from which the entropy, halved by the second factor, is off by 0.04.
    scores = evaluation.dci(np.stack([a, a, c], axis=1), factors[:, [0, 2]])
    expected = 0.5 * (1.0 - math.log(2) / math.log(3)) + 0.5
    np.testing.assert_allclose(scores, [1.0, expected, 1.0], atol=0.04)
    assert scores.disentanglement == pytest.approx(1.0, abs=1e-12)


def test_a_factor_without_a_latent():
    """A linear classifier tells it by exclusion; a vote by the least variance cannot."""
    factors = grid(3, 4, 5)
    codes = factors[:, :2]
    assert evaluation.beta_vae_score(codes, factors) == 1.0
    assert evaluation.factor_vae_score(codes, factors) == pytest.approx(2 / 3, abs=1e-12)
    # A third of the 6000 examples: 4 standard errors are below 0.012.
    informativeness = evaluation.dci(codes, factors).informativeness
    assert informativeness == pytest.approx((1.0 + 1.0 + 1 / 5) / 3, abs=0.015)


def test_latents_of_little_variance_do_not_vote():
    factors = grid(3, 4)
    # Variances of 2/3 and of 1/500; what is dropped leaves one vote, for one of the factors.
    codes = factors * [1.0, 0.04]
    assert evaluation.factor_vae_score(codes, factors) == 0.5
    assert evaluation.factor_vae_score(codes, factors, threshold=0.001) == 1.0
    assert evaluation.factor_vae_score(codes, factors, threshold=0.67) == 0.5
    # Votes are relative to each latent's own variance.
    uneven = factors * [100.0, 1.0] + np.random.default_rng(0).normal(size=factors.shape) * 0.2
    assert evaluation.factor_vae_score(uneven, factors) == 1.0


def test_partners_share_the_label_and_are_all_drawn():
    rng = np.random.default_rng(0)
    labels = np.array([2, 0, 1, 2, 2, 1, 0, 2])
    first = rng.integers(8, size=(1000, 1))
    partners = sharing(labels, first, (1000, 4), rng)
    assert partners.shape == (1000, 4)
    assert (labels[partners] == labels[first]).all()
    # Of the four examples with the label 2 each comes in a quarter of some 2000 draws.
    drawn = partners[labels[first[:, 0]] == 2]
    shares = np.bincount(drawn.reshape(-1), minlength=8)[labels == 2] / drawn.size
    np.testing.assert_allclose(shares, 0.25, atol=4 * math.sqrt(0.25 * 0.75 / drawn.size))


@pytest.mark.parametrize("name", ["beta_vae_score", "factor_vae_score"])
def test_classifiers_are_tested_on_other_batches(name):
    """200 latents of noise tell 30 batches apart, by heart; of 30 others a third is guessed."""
    factors = grid(3, 4, 5)
    codes = np.random.default_rng(0).normal(size=(len(factors), 200))
    score = getattr(evaluation, name)(codes, factors, num_batches=20)
    assert score < 1 / 3 + 4 * math.sqrt(1 / 3 * 2 / 3 / 30)
