"""`VAETransformer` stands where PCA stood."""

import importlib.util
import pickle

import numpy as np
import pytest
import tensorflow as tf
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

import keras_vae
from keras_vae import tasks
from keras_vae.sklearn import VAETransformer
from keras_vae.sklearn._scaling import Scaling

TINY = VAETransformer(n_components=1, hidden_units=(3,), epochs=1, batch_size=64, random_state=0)


@parametrize_with_checks([TINY])
def test_scikit_learn_takes_it_for_one_of_its_own(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def data():
    """Three columns in other units, on a line with noise."""
    generator = np.random.default_rng(0)
    z = generator.normal(size=(600, 1))
    x = z * [[1.0, -1.0, 1.0]] + 0.4 * generator.normal(size=(600, 3))
    x = x * [1.0, 100.0, 0.01] + [5.0, -300.0, 0.0]
    return x


@pytest.fixture(scope="module")
def few(data):
    return data[:60]


@pytest.fixture(scope="module")
def fitted(data):
    return VAETransformer(1, hidden_units=(16,), epochs=40, random_state=0).fit(data)


def test_it_is_like_pca_on_data_from_a_linear_model(data, fitted):
    scale = data.std(axis=0)
    pca = PCA(1).fit(data / scale)
    codes = fitted.transform(data)
    assert codes.shape == (600, 1)
    assert abs(np.corrcoef(codes[:, 0], pca.transform(data / scale)[:, 0])[0, 1]) > 0.97
    # The density is one of the data in their units: that of PCA's model, up to a tenth of a nat.
    expected = pca.score(data / scale) - np.log(scale).sum()
    assert abs(fitted.score(data) - expected) < 0.1
    back = fitted.inverse_transform(codes)
    residual = np.mean(((back - data) / scale) ** 2)
    best = np.mean((pca.inverse_transform(pca.transform(data / scale)) - data / scale) ** 2)
    assert residual < 1.3 * best


def test_samples_are_like_the_data(data, fitted):
    sample = fitted.sample(2000, random_state=1)
    assert sample.shape == (2000, 3)
    scale = data.std(axis=0)
    assert (np.abs(sample.mean(axis=0) - data.mean(axis=0)) / scale < 0.15).all()
    np.testing.assert_allclose(np.corrcoef(sample.T), np.corrcoef(data.T), atol=0.1)
    np.testing.assert_array_equal(sample, fitted.sample(2000, random_state=1))
    assert (sample != fitted.sample(2000, random_state=2)).any()


def test_the_units_of_a_column_move_the_density_only(few):
    model = clone(TINY)
    a = model.fit(few)
    codes, scores = a.transform(few[:5]), a.score_samples(few[:5])
    b = model.fit(few * [1.0, 10.0, 1.0] + [0.0, 3.0, 0.0])
    moved = few[:5] * [1.0, 10.0, 1.0] + [0.0, 3.0, 0.0]
    np.testing.assert_allclose(b.transform(moved), codes, rtol=1e-6)
    np.testing.assert_allclose(b.score_samples(moved), scores - np.log(10.0), rtol=1e-6)


def test_random_state_alone_decides(few):
    results = []
    for seed, state in ((1, 0), (2, 0), (1, 5)):
        tf.random.set_seed(seed)
        np.random.seed(seed)
        model = clone(TINY).set_params(random_state=state, epochs=2, batch_size=30)
        results.append((model.fit_transform(few), model.score_samples(few)))
    for a, b, c in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)
        assert (np.abs(a - c) > 1e-6).any()


def test_no_noise_of_others_is_touched(few):
    np.random.seed(3)
    expected = np.random.uniform()
    np.random.seed(3)
    clone(TINY).fit(few).score(few)
    assert np.random.uniform() == expected


def test_missing_values(few):
    x = few.copy()
    x[np.random.default_rng(1).uniform(size=x.shape) < 0.2] = np.nan
    model = clone(TINY).fit(x)
    assert np.isfinite(model.transform(x)).all()
    assert np.isfinite(model.score_samples(x)).all()
    # The model is there for tasks, in standardised units.
    assert np.isfinite(tasks.impute(model.model_, x[:5] / 100, 5)).all()


def test_a_pipeline_is_pickled(few):
    pipeline = make_pipeline(clone(TINY)).fit(few)
    copy = pickle.loads(pickle.dumps(pipeline))
    np.testing.assert_allclose(copy.transform(few), pipeline.transform(few), rtol=1e-12)
    np.testing.assert_allclose(copy.score(few), pipeline.score(few), rtol=1e-12)
    assert list(pipeline.get_feature_names_out()) == ["vaetransformer0"]


@pytest.mark.parametrize("likelihood", ["bernoulli", "poisson", "laplace"])
def test_other_likelihoods(likelihood):
    x = np.random.default_rng(0).integers(0, 2, size=(40, 3))
    model = clone(TINY).set_params(likelihood=likelihood).fit(x)
    assert np.isfinite(model.score(x))
    assert model.inverse_transform(model.transform(x)).shape == (40, 3)
    if likelihood == "bernoulli":
        # Taken as they are: a value outside of [0, 1] has no probability.
        assert model.score_samples([[0.0, 1.0, 2.0]]) == -np.inf


def test_columns_that_do_not_vary_and_empty_ones():
    x = np.array([[1.0, 1 / 3, np.nan], [2.0, 1 / 3, np.nan], [np.nan, 1 / 3, np.nan]])
    scaling = Scaling(x, "normal")
    np.testing.assert_allclose(
        scaling.forward(x), [[-1.0, 0.0, np.nan], [1.0, 0.0, np.nan], [np.nan, 0.0, np.nan]]
    )
    np.testing.assert_allclose(scaling.log_volume(x), np.log([0.5, 0.5, 1.0]))
    np.testing.assert_allclose(scaling.backward(scaling.forward(x)), x)
    as_it_is = Scaling(x, "bernoulli")
    np.testing.assert_array_equal(as_it_is.forward(x), x)
    np.testing.assert_array_equal(as_it_is.log_volume(x), np.zeros(3))


def test_errors(data):
    for name, value, text in (
        ("n_components", 0, "n_components to be an integer of at least 1.*=0"),
        ("epochs", 0, "epochs to be an integer of at least 1.*=0"),
        ("likelihood", "gaussian", "likelihood to be one of 'normal', 'laplace'.*'gaussian'"),
    ):
        with pytest.raises(ValueError, match=text):
            clone(TINY).set_params(**{name: value}).fit(data)
    with pytest.raises(TypeError, match=r"VAETransformer expects hidden_units to be a tuple"):
        clone(TINY).set_params(hidden_units=64).fit(data)


def test_without_scikit_learn(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"VAETransformer expects the package scikit-learn, whos"):
        keras_vae.sklearn.VAETransformer  # noqa: B018, the access is what raises
    with pytest.raises(AttributeError, match=r"'keras_vae.sklearn' has no attribute 'PCA'"):
        keras_vae.sklearn.PCA  # noqa: B018
