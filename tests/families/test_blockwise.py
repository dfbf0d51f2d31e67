"""`families.Blockwise`: a table whose columns differ."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import VAEModel, families
from keras_vae.divergences import kl_divergence

KINDS = [
    families.Normal(2, scale="learned"),
    families.Bernoulli(1),
    families.Categorical(2, num_classes=3),
    families.NegativeBinomial(1),
    families.StudentT(1, df=1.0),
]


def rows(number):
    rng = np.random.default_rng(1)
    columns = [
        rng.normal(size=(number, 2)),
        rng.integers(0, 2, (number, 1)),
        rng.integers(0, 3, (number, 2)),
        rng.integers(0, 9, (number, 1)),
        rng.normal(size=(number, 1)),
    ]
    return np.concatenate(columns, -1).astype("float32")


def params(number, seed=2):
    return tf.random.stateless_normal((number, 13), (seed, 0))


def split(x, sizes):
    return np.split(x, np.cumsum(sizes)[:-1], axis=-1)


def test_the_parts_are_those_of_the_families():
    family = families.Blockwise(KINDS)
    assert family.event_shape == (7,)
    assert family.params_size == 13
    x, theta = rows(6), params(6)
    x[0, 0] = x[1, 5] = x[2, 3] = np.nan
    events = split(x, [2, 1, 2, 1, 1])
    blocks = split(theta.numpy(), [2, 1, 6, 2, 2])
    triples = list(zip(KINDS, events, blocks, strict=True))
    expected = sum(kind.log_likelihood(event, block) for kind, event, block in triples)
    np.testing.assert_allclose(family.log_likelihood(x, theta), expected, rtol=1e-6)
    np.testing.assert_allclose(family.log_likelihood(x, blocks), expected, rtol=1e-6)
    expected = np.concatenate([kind.point_estimate(block) for kind, _, block in triples], -1)
    np.testing.assert_array_equal(family.point_estimate(theta), expected)
    expected = np.concatenate([kind(block).mean() for kind, _, block in triples], -1)
    np.testing.assert_array_equal(family(theta).mean(), expected)


@pytest.mark.parametrize(("column", "value"), [(2, 2.0), (3, 0.5), (4, 3.0), (5, -1.0)])
def test_data_outside_of_the_support_of_one_column_has_no_probability(column, value):
    x = rows(3)
    x[1, column] = value
    result = families.Blockwise(KINDS).log_likelihood(x, params(3)).numpy()
    assert result[1] == -np.inf
    assert np.isfinite(result[[0, 2]]).all()


def test_samples_are_values_of_their_columns():
    for samples in (
        families.Blockwise(KINDS).sample(params(5), 100, seed=1),
        families.Blockwise(KINDS)(params(5)).sample(100, seed=1),
    ):
        assert samples.shape == (100, 5, 7)
        assert set(np.unique(samples[..., 2])) == {0.0, 1.0}
        assert set(np.unique(samples[..., 3:5])) == {0.0, 1.0, 2.0}
        np.testing.assert_array_equal(samples[..., 5], np.round(samples[..., 5]))
        assert np.all(samples[..., 5] >= 0)


def test_the_divergence_of_two_tables_is_the_sum_of_their_columns():
    kinds = [families.Normal(2, scale="per_element"), families.Bernoulli(1)]
    q, p = (params(4, seed)[:, :5] for seed in (2, 3))
    family = families.Blockwise(kinds)
    expected = sum(
        kl_divergence(kind(a), kind(b), method="exact")
        for kind, a, b in zip(kinds, split(q, [4, 1]), split(p, [4, 1]), strict=True)
    )
    np.testing.assert_allclose(
        kl_divergence(family(q), family(p), method="exact"), expected, rtol=1e-6
    )


def test_a_weight_of_a_column_is_trained_and_saved(tmp_path):
    encoder = keras.Sequential([keras.Input((7,)), keras.layers.Dense(4)])
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(13)])
    normal = families.Normal(2, scale="learned")
    model = VAEModel(encoder, decoder, likelihood=families.Blockwise([normal, *KINDS[1:]]), seed=1)
    model.compile(optimizer=keras.optimizers.Adam(0.01))
    x = rows(16)
    x[0, 1] = np.nan
    history = model.fit(x, epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert normal.log_variance.numpy() != 0.0
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.likelihood.families[0].log_variance, normal.log_variance)
    x = np.nan_to_num(x)
    ours, theirs = (m.likelihood.log_likelihood(x, m.decoder(x[:, :2])) for m in (model, again))
    np.testing.assert_array_equal(ours, theirs)


def test_it_is_not_called_as_a_layer():
    with pytest.raises(NotImplementedError):
        families.Blockwise(KINDS).call(np.zeros((1, 13)))
