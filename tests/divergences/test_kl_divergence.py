"""`divergences.kl_divergence`: methods and errors; values are in identities."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from keras_vae import families, priors
from keras_vae.divergences import kl_divergence

tfd = tfp.distributions


def normal(loc, log_variance):
    return families.MultivariateNormalDiag(1)(np.array([[loc, log_variance]]))


def mixture():
    return tfd.MixtureSameFamily(
        tfd.Categorical(logits=np.zeros(2)),
        tfd.MultivariateNormalDiag(np.array([[-1.0], [1.0]]), np.ones((2, 1))),
    )


@pytest.mark.parametrize(
    ("q", "p", "expected"),
    [
        # KL = log(s_p / s_q) + (s_q^2 + (m_q - m_p)^2) / (2 s_p^2) - 1/2
        ((1.0, 0.0), (0.0, 0.0), 0.5),
        ((0.0, np.log(4.0)), (0.0, 0.0), 1.5 - np.log(2.0)),
        ((0.0, 0.0), (0.0, np.log(4.0)), np.log(2.0) - 0.375),
        ((2.0, np.log(4.0)), (0.0, 0.0), 3.5 - np.log(2.0)),
        ((0.0, 0.0), (2.0, np.log(4.0)), np.log(2.0) + 0.125),
    ],
)
def test_known_values_in_both_directions(q, p, expected):
    for method in ("auto", "exact"):
        value = kl_divergence(normal(*q), normal(*p), method=method)
        np.testing.assert_allclose(value, [expected], rtol=1e-12)


def test_auto_takes_the_closed_form_and_ignores_the_samples():
    q, p = normal(1.0, 0.0), normal(0.0, 0.0)
    np.testing.assert_allclose(kl_divergence(q, p, z=np.full((3, 1, 1), 100.0)), [0.5])


def test_monte_carlo_is_the_mean_log_ratio():
    q, p = normal(1.0, 0.0), normal(0.0, 0.0)
    z = np.array([[[0.0]], [[3.0]]])
    value = kl_divergence(q, p, z, "monte_carlo")
    # log q - log p = z - 1/2
    np.testing.assert_allclose(value, [(-0.5 + 2.5) / 2])
    np.testing.assert_allclose(kl_divergence(q, p, z[1], "monte_carlo"), [2.5])


def test_auto_estimates_where_there_is_no_closed_form():
    q, z = normal(0.0, 0.0), np.array([[[0.3]], [[-0.2]]])
    value = kl_divergence(q, mixture(), z)
    np.testing.assert_allclose(value, kl_divergence(q, mixture(), z, "monte_carlo"))
    assert value.shape == (1,)


def test_batch_shapes():
    family = families.MultivariateNormalDiag(2)
    q, p = family(np.ones((5, 4))), family(np.zeros((4,)))
    z = q.sample(7, seed=(1, 2))
    for posterior, prior, samples in [
        (q, p, z),
        (p, q, p.sample(7, seed=(1, 2))[:, None]),
        (q, q, z),
    ]:
        assert kl_divergence(posterior, prior).shape == (5,)
        assert kl_divergence(posterior, prior, samples, "monte_carlo").shape == (5,)
    assert kl_divergence(q, p, z[0], "monte_carlo").shape == (5,)
    assert kl_divergence(p, p).shape == ()
    assert kl_divergence(p, p, p.sample(7, seed=(1, 2)), "monte_carlo").shape == ()


@pytest.mark.parametrize("batch", [0, 1])
def test_small_batches(batch):
    family = families.MultivariateNormalDiag(2)
    q = family(np.ones((batch, 4)))
    z = q.sample(3, seed=(1, 2))
    prior = priors.StandardNormal(2, dtype="float64").distribution()
    for method in ("auto", "monte_carlo"):
        assert kl_divergence(q, prior, z, method).shape == (batch,)


@pytest.mark.parametrize("event_shape", [(3,), (2, 3)])
@pytest.mark.parametrize("scale", [1e4, -1e4, 1e9])
def test_extreme_parameters(event_shape, scale):
    """A bounded posterior has a finite divergence from the prior, with finite gradients."""
    for family in (families.MultivariateNormalDiag, families.MultivariateNormalTriL):
        q = family(event_shape)
        params = tf.fill((2, *q.params_shape), scale)
        prior = priors.StandardNormal(event_shape).distribution()
        with tf.GradientTape() as tape:
            tape.watch(params)
            value = kl_divergence(q(params), prior)
        assert np.isfinite(value).all()
        assert np.isfinite(tape.gradient(value, params)).all()


def test_no_closed_form():
    text = (
        r"pair of distributions with a closed form. Received: q=MultivariateNormalDiag, "
        r"p=MixtureSameFamily with method='exact'"
    )
    with pytest.raises(ValueError, match=text):
        kl_divergence(normal(0.0, 0.0), mixture(), np.zeros((1, 1)), method="exact")


@pytest.mark.parametrize("method", ["auto", "monte_carlo"])
def test_no_samples(method):
    text = rf"expects samples of q .* Received: z=None for .* method='{method}'"
    with pytest.raises(ValueError, match=text):
        kl_divergence(normal(0.0, 0.0), mixture(), method=method)


@pytest.mark.parametrize("method", ["analytic", None, 1])
def test_unknown_method(method):
    text = r"expects method to be one of 'auto', 'exact', 'monte_carlo'. Received: method="
    with pytest.raises(ValueError, match=text):
        kl_divergence(normal(0.0, 0.0), normal(0.0, 0.0), method=method)


def test_no_distribution():
    with pytest.raises(TypeError, match=r"two TFP distributions. Received: p="):
        kl_divergence(normal(0.0, 0.0), np.zeros((1, 1)))
    with pytest.raises(TypeError, match=r"two TFP distributions. Received: q=None"):
        kl_divergence(None, normal(0.0, 0.0))


def test_events_of_two_shapes():
    """An event of size 1 is not repeated silently."""
    other = families.MultivariateNormalDiag(3)(np.zeros((1, 6)))
    for q, p in [(normal(0.0, 0.0), other), (other, normal(0.0, 0.0))]:
        with pytest.raises(ValueError, match=r"events of one shape. Received: event shapes"):
            kl_divergence(q, p)
