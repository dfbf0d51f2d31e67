"""The log-likelihood of many samples is compiled, and stays what it is."""

import numpy as np
import pytest
import tensorflow as tf

from keras_vae import evaluation, families
from keras_vae.evaluation import _log_likelihood
from keras_vae.evaluation._fused import fused


class InPython(families.Bernoulli):
    """A family that XLA cannot compile."""

    def _log_prob_elements(self, x, logits):
        return tf.numpy_function(lambda x, logits: x * logits, [x, logits], tf.float32)


def is_compiled(function):
    return getattr(function, "_jit_compile", False)


@pytest.mark.parametrize(
    ("family", "compiled"),
    [
        (families.Bernoulli((2, 3)), True),
        (families.Normal(3, scale="learned"), True),
        (families.Blockwise([families.Poisson(2), families.MultivariateNormalDiag(1)]), True),
        (families.Blockwise([families.Poisson(2), families.MultivariateNormalTriL(2)]), False),
        # Solves equations.
        (families.MultivariateNormalTriL(3), False),
        (InPython(3), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_compiled(family, compiled):
    function = fused(family)
    assert is_compiled(function) == compiled
    x, params = np.ones((2, *family.event_shape)), np.ones((4, 2, *family.params_shape), "float32")
    expected = family.log_likelihood(x, params)
    # A sum of at most six terms of size one: a few roundings.
    np.testing.assert_allclose(function(x, params), expected, rtol=1e-6)


@pytest.mark.parametrize("method", ["importance", "prior"])
def test_the_estimate_of_many_samples_is_the_same(linear, method, monkeypatch):
    model = linear.model("wrong")
    expected = evaluation.log_likelihood(model, linear.x, 50, method, seed=3)
    made = []
    monkeypatch.setattr(_log_likelihood, "_MANY_ENTRIES", 50 * linear.x.size)
    monkeypatch.setattr(
        "keras_vae.evaluation._importance.fused",
        lambda likelihood: made.append(fused(likelihood)) or made[-1],
    )
    evaluation.log_likelihood(model, linear.x, 49, method, seed=3)
    assert made == []
    estimate = evaluation.log_likelihood(model, linear.x, 50, method, seed=3)
    assert [is_compiled(function) for function in made] == [True]
    for part, same in zip(estimate, expected, strict=True):
        # Roundings of log weights of some ten nats, and of the mean of their exponentials.
        np.testing.assert_allclose(part, same, rtol=1e-5)
