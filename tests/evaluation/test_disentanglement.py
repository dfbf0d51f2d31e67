"""What every disentanglement score keeps to. A new one is a row of `ROWS`."""

import dataclasses
import importlib.util
import inspect
import typing

import numpy as np
import pytest

from keras_vae import evaluation

LEVELS = (2, 3, 5)
NUM_FACTORS = len(LEVELS)


@dataclasses.dataclass(frozen=True)
class Row:
    """What a score must be, as one number or one for each of its parts.

    Attributes:
        perfect: For noiseless latents of a factor each, next to constant ones.
        with_noise: Is that so next to latents of noise as well?
        rotated: For two factors and their sum and difference.
        chance: For latents of noise.
        chance_error: By how much that may be missed.
        seeded: Does it take a seed?
        needs_scikit_learn: Does it raise without?
    """

    perfect: typing.Any
    with_noise: bool
    rotated: typing.Any
    chance: typing.Any
    chance_error: float
    seeded: bool = False
    needs_scikit_learn: bool = False


def chance_modularity():
    """The estimates of a noise latent are chi-squared numbers (Wilks), of which N cancels."""
    degrees = 19 * (np.array(LEVELS) - 1)
    squares = np.random.default_rng(1).chisquare(degrees, size=(100_000, NUM_FACTORS)) ** 2
    most = squares.max(axis=1)
    return np.mean(1.0 - (squares.sum(axis=1) - most) / (most * (NUM_FACTORS - 1)))


# The errors allowed at chance, for 6000 examples and 8 latents of noise:
# - MIG: an estimate has the standard deviation sqrt(2 * 76) / (2 * 6000) = 0.001 nats.
# - SAP: an accuracy has the standard error sqrt(0.25 / 6000) = 0.006; a gap is at most 4 of them.
# - DCI: 1 - entropy is of second order in the importances, which differ by some 10 %;
#   informativeness has the standard error sqrt(0.25 / 2000) = 0.011.
# - the accuracies of 250 batches a factor: sqrt(1/3 * 2/3 / 750) = 0.017, 4 of them.
# - modularity: a latent's score has a standard deviation below 0.1, a mean of 8 one of 0.035.
ROWS = {
    "mutual_information_gap": Row(1.0, False, 0.0, 0.0, 0.004),
    "sap_score": Row(np.mean([1 - 1 / k for k in LEVELS]), False, 0.0, 0.0, 0.024),
    "dci": Row(
        (1.0, 1.0, 1.0),
        True,
        (0.0, 0.0, 1.0),
        (0.0, 0.0, np.mean([1 / k for k in LEVELS])),
        0.03,
        seeded=True,
        needs_scikit_learn=True,
    ),
    "beta_vae_score": Row(1.0, True, 0.5, 1 / 3, 0.07, seeded=True, needs_scikit_learn=True),
    "factor_vae_score": Row(1.0, True, 0.5, 1 / 3, 0.07, seeded=True),
    "modularity": Row(1.0, False, 0.0, chance_modularity(), 0.1),
}
everywhere = pytest.mark.parametrize("name", ROWS)


def score(name, codes, factors, **arguments):
    return np.array(getattr(evaluation, name)(codes, factors, **arguments))


def grid(levels, repeats):
    """Every combination of the factors equally often: independent in the examples, exactly."""
    axes = np.meshgrid(*map(np.arange, levels), indexing="ij")
    return np.tile(np.stack(axes, axis=-1).reshape(-1, len(levels)), (repeats, 1))


@pytest.fixture
def factors():
    return grid(LEVELS, 40)


def typical(factors):
    """Codes that no score is at an end of: mixed, noisy, and one that tells nothing."""
    rng = np.random.default_rng(5)
    mixing = np.array([[1.0, 0.8, 0.0, 0.0], [0.0, 1.0, 0.7, 0.0], [0.4, 0.0, 0.9, 0.0]])
    return factors @ mixing + 0.8 * rng.normal(size=(len(factors), 4))


def test_every_score_has_a_row():
    public = {name: getattr(evaluation, name) for name in evaluation.__all__}
    scores = {
        name
        for name, function in public.items()
        if inspect.isfunction(function) and "factors" in inspect.signature(function).parameters
    }
    assert scores == set(ROWS)
    for name in scores:
        seeded = "seed" in inspect.signature(public[name]).parameters
        assert seeded == ROWS[name].seeded, name


@everywhere
def test_a_perfect_code(name, factors):
    constant = np.full((len(factors), 2), 0.1)
    # Which number a value has does not matter where a latent takes it without noise.
    renamed = factors @ np.diag([-1.0, 0.3, 7.0]) + 1e8
    for codes in (factors, renamed, np.hstack([constant, factors])):
        np.testing.assert_allclose(score(name, codes, factors), ROWS[name].perfect, atol=1e-12)


@everywhere
def test_a_perfect_code_among_noise(name, factors):
    noise = np.random.default_rng(1).normal(size=(len(factors), 2))
    found = score(name, np.hstack([noise, factors]), factors)
    if ROWS[name].with_noise:
        np.testing.assert_allclose(found, ROWS[name].perfect, atol=1e-12)
    else:
        assert found < ROWS[name].perfect


@everywhere
def test_a_rotated_pair(name):
    """Sum and difference tell the same of both factors.

    Exact but for the accuracies of 500 batches, of the standard error 0.022, and for the
    importances, which are the means of 50 trees that start at one or the other latent.
    """
    factors = grid((4, 4), 100)
    codes = factors @ np.array([[1, 1], [1, -1]])
    tolerance = {"dci": 0.03, "beta_vae_score": 0.09, "factor_vae_score": 0.09}.get(name, 1e-12)
    found = score(name, codes, factors)
    np.testing.assert_allclose(found, ROWS[name].rotated, atol=tolerance)


@everywhere
def test_chance(name):
    factors = grid(LEVELS, 200)
    codes = np.random.default_rng(3).normal(size=(len(factors), 8))
    found = score(name, codes, factors)
    np.testing.assert_allclose(found, ROWS[name].chance, atol=ROWS[name].chance_error)


@everywhere
def test_codes_that_are_all_constant(name, factors):
    found = score(name, np.full((len(factors), 4), 0.1), factors)
    # Half of a factor's values are seen less often among the examples that test.
    expected = 0.0 if name == "modularity" else ROWS[name].chance
    np.testing.assert_allclose(found, expected, atol=0.04 if name == "dci" else 1e-12)


@everywhere
def test_order_and_scale_of_the_latents_do_not_matter(name, factors):
    codes = typical(factors)
    expected = score(name, codes, factors)
    assert ((expected > 0.02) & (expected < 0.98)).all()
    scaled = codes * [3.7, 0.7, 12.3, 1e3] + [5.0, -1.0, 0.0, 100.0]
    np.testing.assert_allclose(score(name, scaled, factors), expected, atol=1e-6)
    # Of splits that are equally good a tree takes the first it meets.
    tolerance = 0.01 if name == "dci" else 1e-9
    reordered = score(name, codes[:, [2, 0, 3, 1]], factors)
    np.testing.assert_allclose(reordered, expected, atol=tolerance)


@everywhere
def test_order_and_names_of_the_factors_do_not_matter(name, factors):
    codes = typical(factors)
    expected = score(name, codes, factors)
    named = np.array(["blue", "green", "red", "white", "yellow"])[factors]
    for same in (named, factors * 0.1 - 3.0, factors.astype("uint8")):
        np.testing.assert_array_equal(score(name, codes, same), expected)
    # Another random number comes to each factor.
    tolerance = 0.04 if ROWS[name].seeded else 1e-12
    reordered = score(name, codes, factors[:, [2, 0, 1]])
    np.testing.assert_allclose(reordered, expected, atol=tolerance)


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.seeded])
def test_a_seed_gives_the_same_score_again(name, factors):
    codes = typical(factors)
    state = np.random.get_state()[1].copy()
    first, other = (score(name, codes, factors, seed=seed) for seed in (0, 7))
    np.testing.assert_array_equal(first, score(name, codes, factors))
    assert (first != other).any()
    np.testing.assert_array_equal(np.random.get_state()[1], state)


@everywhere
def test_without_scikit_learn(name, factors, monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *args: None if name == "sklearn" else find_spec(name, *args),
    )
    if ROWS[name].needs_scikit_learn:
        with pytest.raises(ImportError, match=rf"^{name} expects.*scikit-learn.*pip install"):
            score(name, factors, factors)
    else:
        score(name, factors, factors)


@everywhere
def test_arrays_are_checked(name, factors):
    codes = typical(factors)
    broken = codes.copy()
    broken[3, 1] = np.nan
    constant = np.where([False, True, False], 1, factors)
    for error, message, arguments in (
        (ValueError, r"codes with a row an example.*shape \(1200,\)", (codes[:, 0], factors)),
        (ValueError, r"factors with a row an example.*shape \(1200,\)", (codes, factors[:, 0])),
        (ValueError, "codes and factors of the same examples", (codes[:-1], factors)),
        (ValueError, "codes to be finite", (broken, factors)),
        (ValueError, "factors to be finite", (codes, broken)),
        (ValueError, "at least 2 latents. Received: 1", (codes[:, :1], factors)),
        (ValueError, "at least two values.*column 1 takes 1", (codes, constant)),
        (ValueError, "discrete factors.*column 0 takes 1200 values", (codes, codes)),
        (ValueError, "at least . factors. Received: 0", (codes, factors[:, :0])),
        (ValueError, "at least two values.*takes 0", (codes[:0], factors[:0])),
        (TypeError, "codes to be an array of numbers.*complex", (codes * 1j, factors)),
        (TypeError, "factors to be an array of.*object", (codes, factors.astype(object))),
    ):
        with pytest.raises(error, match=f"^{name} expects.*{message}"):
            score(name, *arguments)


@everywhere
def test_numbers_are_checked(name, factors):
    given = {"num_bins": 1, "batch_size": 0, "num_batches": 1, "threshold": -1.0, "seed": -1}
    for argument in set(given) & set(inspect.signature(getattr(evaluation, name)).parameters):
        with pytest.raises(ValueError, match=f"^{name} expects {argument} to be"):
            score(name, factors, factors, **{argument: given[argument]})
        with pytest.raises(TypeError, match=f"^{name} expects {argument} to be"):
            score(name, factors, factors, **{argument: "2"})
