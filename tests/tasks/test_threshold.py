"""The share of normal examples above a calibrated threshold."""

import numpy as np
import pytest

from keras_vae import tasks


@pytest.mark.parametrize(
    ("number", "rate", "rank"),
    [(99, 0.1, 90), (99, 0.29, 71), (19, 0.05, 19), (20, 0.05, 20), (1, 0.5, 1), (9, 0.95, 1)],
)
def test_the_threshold_is_the_conformal_quantile(number, rate, rank):
    scores = np.random.default_rng(0).permutation(np.arange(1, number + 1))
    assert tasks.calibrate_threshold(scores, rate) == rank
    assert rank >= (1 - rate) * (number + 1) - 1e-9


@pytest.mark.parametrize(("number", "rate"), [(30, 0.1), (99, 0.05), (200, 0.013)])
def test_the_share_of_normal_examples_above_it_is_as_promised(number, rate):
    generator, repeats = np.random.default_rng(1), 20_000
    scores = generator.normal(size=(repeats, number))
    thresholds = np.array([tasks.calibrate_threshold(row, rate) for row in scores])
    above = generator.normal(size=repeats) > thresholds
    error = np.sqrt(rate / repeats)
    # At most the rate, and less by at most 1 / (n + 1), on average over calibration sets.
    assert rate - 1 / (number + 1) - 4 * error < above.mean() < rate + 4 * error
    exact = np.floor(rate * (number + 1) + 1e-9) / (number + 1)
    assert abs(above.mean() - exact) < 4 * np.sqrt(exact * (1 - exact) / repeats)
    # The usual quantile of the scores has more above it.
    plain = np.quantile(scores, 1 - rate, axis=1, method="lower")
    assert (generator.normal(size=repeats) > plain).mean() > exact


def test_ties_and_infinities_are_on_the_safe_side():
    assert tasks.calibrate_threshold(np.ones(50), 0.1) == 1.0
    scores = np.concatenate([np.zeros(10), np.full(10, np.inf)])
    assert tasks.calibrate_threshold(scores, 0.1) == np.inf


def test_errors():
    with pytest.raises(ValueError, match=r"at least 19 scores .* Received: scores of 18 .*=0.05"):
        tasks.calibrate_threshold(np.ones(18))
    for rate in (0.0, 1.0):
        with pytest.raises(ValueError, match=rf"between 0 and 1.*false_positive_rate={rate}"):
            tasks.calibrate_threshold(np.ones(18), rate)
    with pytest.raises(TypeError, match=r"false_positive_rate to be a number in \[0, 1\]"):
        tasks.calibrate_threshold(np.ones(18), "5%")
    for scores in (np.ones((4, 5)), [1.0, np.nan], ["a"]):
        with pytest.raises(ValueError, match=r"one number an example, none of them NaN. Received"):
            tasks.calibrate_threshold(scores, 0.5)
