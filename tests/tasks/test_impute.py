"""What is missing, given what is there, against exact conditional distributions."""

import keras
import numpy as np
import pytest
from linear_gaussian import conditional_normal

from keras_vae import VAEModel, families, objectives, tasks
from keras_vae.evaluation import _estimate

NAN = np.nan


def with_holes(x):
    """Returns the six examples with one to five entries missing, and one with none."""
    x = np.array(x)
    x[0, 3] = x[1, :2] = x[2, [0, 4]] = x[3, 1:] = x[4] = NAN
    return x


@pytest.mark.parametrize("rows", [pytest.param(4096, marks=pytest.mark.stress), 120])
def test_the_best_guess_is_the_conditional_mean(linear, rows, monkeypatch):
    # 120 decoder inputs at a time are many chunks.
    monkeypatch.setattr(_estimate, "_ROWS", rows)
    copies, x = 40, with_holes(linear.x)
    mean, _ = linear.imputed(x)
    # Each copy of an example has noise of its own.
    filled = tasks.impute(linear.model("wrong"), np.tile(x, (copies, 1)), 1000, seed=0)
    filled = np.float64(filled).reshape(copies, *x.shape)
    error = filled.std(axis=0, ddof=1) / np.sqrt(copies)
    deviation = np.abs(filled.mean(axis=0) - mean)
    gone = np.isnan(x)
    assert (deviation[gone] < 4 * error[gone]).all()
    # Means that are far from what the network was shown, and from no information at all.
    assert (np.abs(mean - linear.b)[gone] > 20 * error[gone]).sum() >= 4
    np.testing.assert_array_equal(filled[:, ~gone], np.tile(x[~gone], (copies, 1)))


@pytest.mark.parametrize("rows", [4096, pytest.param(6000, marks=pytest.mark.stress)])
def test_several_imputations_are_draws_of_the_conditional_distribution(linear, rows, monkeypatch):
    monkeypatch.setattr(_estimate, "_ROWS", rows)
    copies, x = 2000, with_holes(linear.x)[:5]
    mean, covariance = linear.imputed(x)
    # Of each copy one draw from a pool of its own: independent draws.
    filled = tasks.impute(
        linear.model("wrong"), np.tile(x, (copies, 1)), 300, 1, seed=0, batch_size=500
    )
    assert filled.shape == (1, 5 * copies, 5)
    filled = np.float64(filled).reshape(copies, 5, 5)
    variance = np.einsum("bii->bi", covariance)
    gone = np.isnan(x)
    deviation = np.abs(filled.mean(axis=0) - mean)[gone] / np.sqrt(variance[gone] / copies)
    assert (deviation < 4).all()
    residual = filled - mean
    spread = np.einsum("nbi,nbj->bij", residual, residual) / copies
    # Of normal variables: Var(r_i r_j) = c_ii c_jj + c_ij^2.
    error = np.sqrt((variance[:, :, None] * variance[:, None] + covariance**2) / copies)
    pairs = gone[:, :, None] & gone[:, None]
    assert (np.abs(spread - covariance)[pairs] < 4 * error[pairs]).all()
    # Entries of one draw belong together.
    assert (np.abs(covariance)[pairs] > 8 * error[pairs]).sum() > 20


def test_imputations_of_one_example_are_draws_too(linear):
    x = with_holes(linear.x)[3:4]
    mean, covariance = linear.imputed(x)
    filled = np.float64(tasks.impute(linear.model("wrong"), x, 50_000, multiple=1000, seed=0))[:, 0]
    variance = np.diag(covariance[0])[1:]
    assert (np.abs(filled.mean(axis=0) - mean[0])[1:] < 4 * np.sqrt(variance / 1000)).all()
    error = np.sqrt(2 / 1000)
    assert (np.abs(filled.var(axis=0)[1:] / variance - 1) < 4 * error).all()
    np.testing.assert_array_equal(filled[:, 0], x[0, 0])


def test_a_likelihood_whose_entries_depend_on_each_other():
    generator = np.random.default_rng(0)
    size, copies = 3, 60
    kernel, bias = generator.normal(size=(1, size)), generator.normal(size=size)
    factor = np.tril(generator.normal(size=(size, size)))
    factor[np.diag_indices(size)] = np.exp(0.3 * generator.normal(size=size))
    covariance = kernel.T @ kernel + factor @ factor.T
    params = factor.copy()
    params[np.diag_indices(size)] = np.log(np.diag(factor))
    params = params[np.tril_indices(size)]
    likelihood = families.MultivariateNormalTriL(size)
    encoder = keras.Sequential([keras.Input((size,)), keras.layers.Dense(2)])
    decoder = keras.Sequential([keras.Input((1,)), keras.layers.Dense(likelihood.params_size)])
    # The prior as proposal.
    encoder.set_weights([np.zeros((size, 2)), np.zeros(2)])
    decoder.set_weights(
        [np.hstack([kernel, np.zeros((1, len(params)))]), np.concatenate([bias, params])]
    )
    model = VAEModel(encoder, decoder, likelihood=likelihood)
    x = generator.multivariate_normal(bias, covariance, size=3).astype("float32")
    x[0, 1] = x[1, :2] = x[2, [0, 2]] = NAN
    mean, exact = conditional_normal(x, bias, covariance)
    filled = tasks.impute(model, np.tile(x, (copies, 1)), 100, seed=0)
    filled = np.float64(filled).reshape(copies, 3, size)
    gone = np.isnan(x)
    error = filled.std(axis=0, ddof=1) / np.sqrt(copies)
    assert (np.abs(filled.mean(axis=0) - mean)[gone] < 4 * error[gone]).all()
    copies = 200
    drawn = tasks.impute(model, np.tile(x, (copies, 1)), 100, multiple=1, seed=0)
    residual = np.float64(drawn).reshape(copies, 3, size) - mean
    spread = np.einsum("nbi,nbj->bij", residual, residual) / copies
    variance = np.einsum("bii->bi", exact)
    error = np.sqrt((variance[:, :, None] * variance[:, None] + exact**2) / copies)
    pairs = gone[:, :, None] & gone[:, None]
    assert (np.abs(spread - exact)[pairs] < 4 * error[pairs]).all()


class Table:
    """Columns of every kind that depend on one latent, and what is known of them by quadrature."""

    family = families.Blockwise(
        [
            families.Normal(1, scale=0.5),
            families.Bernoulli(1),
            families.Poisson(1),
            families.Categorical(1, num_classes=3),
            families.PowerSpherical(2),
        ]
    )

    def __init__(self):
        # In each half of the latent another class is the most probable one; over both, a third.
        logits = np.log([[0.5, 0.05, 0.45], [0.05, 0.5, 0.45]])
        kernel = [[0.3, 2.0, 1.0, *(logits[1] - logits[0]) / 2, 0.0, 1.5, 0.0]]
        bias = [0.0, 0.5, 0.3, *logits.mean(axis=0), 1.0, 0.0, 1.0]
        encoder = keras.Sequential([keras.Input((6,)), keras.layers.Dense(2)])
        decoder = keras.Sequential(
            [keras.Input((1,)), keras.layers.Dense(1, "tanh"), keras.layers.Dense(len(bias))]
        )
        encoder.set_weights([np.zeros((6, 2)), np.zeros(2)])
        decoder.set_weights([np.array([[1e4]]), np.zeros(1), np.array(kernel), np.array(bias)])
        self.model = VAEModel(encoder, decoder, likelihood=self.family)
        # The tanh is a sign, so that the latent is one of two.
        self.params = np.array([bias]) + np.array([[-1.0], [1.0]]) * kernel

    def expected(self, number):
        """Returns the means given the first column, those of the classes as probabilities."""
        log_weight = -0.5 * ((number - self.params[:, 0]) / 0.5) ** 2
        weight = np.exp(log_weight - log_weight.max())
        weight /= weight.sum()
        classes = np.exp(self.params[:, 3:6])
        direction = np.float64(families.PowerSpherical(2)(self.params[:, 6:]).mean())
        return (
            weight @ (1 / (1 + np.exp(-self.params[:, 1]))),
            weight @ np.exp(self.params[:, 2]),
            weight @ (classes / classes.sum(axis=1, keepdims=True)),
            weight @ direction,
        )


@pytest.fixture(scope="module")
def table():
    return Table()


def test_columns_of_every_kind(table):
    size = 20_000
    # A number that tells the half of the latent only roughly.
    x = np.array([[0.2, NAN, NAN, NAN, NAN, NAN]], "float32")
    binary, count, classes, direction = table.expected(0.2)
    guess = tasks.impute(table.model, x, size, seed=1)[0]
    # Of two equally weighted halves, shares are known to 0.5 / sqrt(size) each.
    share = 4 * 0.5 / np.sqrt(size)
    np.testing.assert_allclose(guess[1], binary, atol=2 * share)
    np.testing.assert_allclose(guess[2], count, atol=4 * share)
    assert guess[3] == classes.argmax() == 2
    # Neither the most probable class of any latent, nor the mean of the codes.
    assert 2 not in table.params[:, 3:6].argmax(axis=1)
    np.testing.assert_allclose(guess[4:], direction / np.linalg.norm(direction), atol=4 * share)
    draws = tasks.impute(table.model, x, 2000, multiple=500, seed=1)[:, 0]
    assert set(np.unique(draws[:, 1])) == {0, 1}
    np.testing.assert_array_equal(draws[:, 2], np.round(draws[:, 2]))
    np.testing.assert_allclose(np.linalg.norm(draws[:, 4:], axis=1), 1.0, atol=1e-5)
    # The pool's shares are off as well, by 0.5 / sqrt(2000).
    shares = np.bincount(draws[:, 3].astype(int), minlength=3) / 500
    np.testing.assert_allclose(shares, classes, atol=4 * (0.5 / np.sqrt(500) + 0.3 / np.sqrt(2000)))
    error = draws[:, 4:].std(axis=0) * (1 / np.sqrt(500) + 1 / np.sqrt(2000))
    assert (np.abs(draws[:, 4:].mean(axis=0) - direction) < 4 * error).all()


def test_a_vector_is_filled_as_a_whole(table):
    x = np.array([[0.5, 1.0, 2.0, 1.0, 0.6, NAN]])
    filled = tasks.impute(table.model, np.float32(x))
    np.testing.assert_allclose(np.linalg.norm(filled[:, 4:], axis=1), 1.0, atol=1e-5)
    np.testing.assert_array_equal(filled[:, :4], x[:, :4])


def test_one_hot_vectors():
    encoder = keras.Sequential([keras.Input((2, 3)), keras.layers.Flatten(), keras.layers.Dense(2)])
    decoder = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(6), keras.layers.Reshape((2, 3))]
    )
    likelihood = families.RelaxedOneHotCategorical((2, 3))
    model = VAEModel(encoder, decoder, likelihood=likelihood)
    x = np.zeros((4, 2, 3))
    x[:, 0, 1] = 1.0
    x[:, 1] = NAN
    for filled in (tasks.impute(model, x, 20), tasks.impute(model, x, 20, multiple=3)):
        assert set(np.unique(filled)) == {0.0, 1.0}
        np.testing.assert_array_equal(filled.sum(axis=-1), 1.0)


def test_what_is_there_stays_to_the_last_digit(linear):
    model = linear.model("wrong")
    x = np.float64(linear.x) + 1e-12
    x[2, 3] = NAN
    filled = tasks.impute(model, x, 5)
    assert filled.dtype == "float64"
    assert filled.shape == x.shape
    assert np.isfinite(filled[2, 3])
    assert np.isnan(x[2, 3])
    filled[2, 3] = NAN
    np.testing.assert_array_equal(filled, x)


@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_nothing_is_missing(linear, dtype):
    x = np.ones((3, 5), dtype)
    for multiple in (None, 2):
        filled = tasks.impute(linear.model(), x, multiple=multiple, verbose=0)
        assert filled.dtype == dtype
        assert filled is not x
        np.testing.assert_array_equal(filled, np.ones((3, 5) if multiple is None else (2, 3, 5)))


def test_the_same_seed_is_the_same_imputation(linear):
    model, x = linear.model("wrong"), with_holes(linear.x)
    for multiple in (None, 3):
        a, b, c = (tasks.impute(model, x, 20, multiple, seed=seed) for seed in (4, 4, 5))
        np.testing.assert_array_equal(a, b)
        assert (a != c).any()
        d, e = (tasks.impute(model, x, 20, multiple) for _ in range(2))
        assert (d != e).any()


def test_each_example_is_imputed_by_its_own_condition(capsys):
    x, condition = keras.Input((3,)), keras.Input((3,))
    encoder = keras.Model([x, condition], keras.layers.Dense(2)(x))
    z = keras.Input((1,))
    # The decoder knows the data from the condition.
    decoder = keras.Model([z, condition], keras.layers.Identity()(condition))
    model = VAEModel(encoder, decoder)
    condition = np.arange(21.0, dtype="float32").reshape(7, 3)
    holes = condition.copy()
    holes[[1, 4, 5], 1] = NAN
    data = {"x": holes, "condition": condition}
    filled = tasks.impute(model, data, 5, batch_size=2, verbose=1)
    np.testing.assert_allclose(filled, condition, rtol=1e-6)
    assert "3/3" in capsys.readouterr().out


def test_training_on_incomplete_data_and_imputation_together(linear):
    generator = np.random.default_rng(1)
    z = generator.normal(size=(800, linear.latent))
    noise = linear.scale * generator.normal(size=(800, linear.features))
    complete = (z @ linear.W.T + linear.b + noise).astype("float32")
    missing = generator.uniform(size=complete.shape) < 0.3
    x = np.where(missing, np.float32(NAN), complete)
    encoder = keras.Sequential([keras.Input((5,)), keras.layers.Dense(16, "relu")])
    encoder.add(keras.layers.Dense(4))
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(5)])
    model = VAEModel(encoder, decoder, likelihood=families.Normal(5, scale="learned"), seed=1)
    model.compile(keras.optimizers.Adam(0.02), objectives.IWAE(5))
    model.fit(x, epochs=25, batch_size=100, verbose=0)

    def error(filled):
        return np.sqrt(np.mean((np.float64(filled) - complete)[missing] ** 2))

    best = error(linear.imputed(x)[0])
    by_column = error(np.where(missing, np.nanmean(x, axis=0), x))
    assert by_column > 1.3 * best
    # Nearer to the best that there is than to what knows nothing of the other columns.
    assert error(tasks.impute(model, x, 100, seed=1)) < 0.8 * best + 0.2 * by_column


def autoencoder(linear):
    model = linear.model()
    dense = keras.Sequential([keras.Input((5,)), keras.layers.Dense(2)])
    return VAEModel(dense, model.decoder, families.Deterministic(2))


def test_a_point_posterior_is_told(linear):
    with pytest.raises(ValueError, match=r"impute expects a posterior with a density. Received"):
        tasks.impute(autoencoder(linear), with_holes(linear.x))


@pytest.mark.parametrize("multiple", [None, 4])
def test_observed_entries_without_probability_are_told(multiple):
    encoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    decoder = keras.Sequential([keras.Input((1,)), keras.layers.Dense(3)])
    model = VAEModel(encoder, decoder, likelihood="bernoulli")
    x = np.array([[0.0, 1.0, 1.0], [1.0, 0.0, NAN], [1.0, 7.0, NAN]])
    with pytest.raises(ValueError, match=r"likelihood gives a probability. Received: .* number 2"):
        tasks.impute(model, x, multiple=multiple)


@pytest.mark.parametrize("name", ["num_samples", "multiple", "batch_size"])
def test_numbers_are_checked(linear, name):
    with pytest.raises(ValueError, match=rf"impute expects {name} to be an integer.*{name}=0"):
        tasks.impute(linear.model(), with_holes(linear.x), **{name: 0})
    with pytest.raises(TypeError, match=rf"impute expects {name} to be an integer.*{name}=1.5"):
        tasks.impute(linear.model(), with_holes(linear.x), **{name: 1.5})
