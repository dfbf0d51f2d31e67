"""Every family, prior, objective and penalty in half and in double precision, and under XLA."""

import agreement
import keras
import pytest
import test_combinations as combinations
import test_every_family as every_family
import test_every_objective as every_objective
from sklearn.datasets import load_digits

from keras_vae import VAEModel

# The two differ by the parameters alone: what is computed is in float32 under both.
every_half = pytest.mark.parametrize(
    "policy",
    ["mixed_float16", pytest.param("mixed_bfloat16", marks=pytest.mark.stress)],
)
every_policy = pytest.mark.parametrize("policy", agreement.POLICIES)


@every_half
@every_family.every_likelihood
def test_log_likelihood_is_that_of_float64(row, policy):
    assert agreement.likelihood_difference(row, policy) < 1e-5


@every_half
@pytest.mark.parametrize(("posterior", "prior"), agreement.kl_pairs())
def test_kl_divergence_is_that_of_float64(posterior, prior, policy):
    assert agreement.kl_difference(posterior, prior, policy) < 1e-5


# A gradient penalty draws noise of its own, another one in each precision.
@every_half
@pytest.mark.parametrize("name", sorted(set(every_objective.ROWS) - {"GradientPenalty"}))
def test_objective_is_that_of_float64(name, policy):
    assert agreement.objective_difference(every_objective.ROWS[name], policy) < 1e-5


# The two of half precision are scaled and cast alike, but for the scale of the loss.
@pytest.mark.parametrize(
    "policy",
    ["mixed_float16", *(pytest.param(p, marks=pytest.mark.stress) for p in agreement.POLICIES[1:])],
)
@combinations.some_rows()
def test_everything_trains(row, policy):
    with agreement.dtype_policy(policy):
        combinations.train(row, run_eagerly=True)


@pytest.mark.stress
@every_policy
@pytest.mark.parametrize("row", combinations.cover(combinations.values_of), ids="-".join)
def test_everything_trains_under_xla(row, policy):
    with agreement.dtype_policy(policy):
        combinations.train(row, jit_compile=True)


def digits_model(policy, weights=None):
    keras.utils.set_random_seed(3)
    with agreement.dtype_policy(policy):
        encoder = keras.Sequential(
            [keras.Input((64,)), keras.layers.Dense(32, "relu"), keras.layers.Dense(8)]
        )
        decoder = keras.Sequential(
            [keras.Input((4,)), keras.layers.Dense(32, "relu"), keras.layers.Dense(64)]
        )
        model = VAEModel(encoder, decoder, likelihood="bernoulli", seed=1)
    if weights is not None:
        model.set_weights(weights)
    return model


def test_the_same_training_in_every_precision_ends_at_the_same_loss(effort):
    policies = effort(("mixed_float16",), agreement.POLICIES)
    x = (load_digits().data / 16).astype("float32")
    weights = digits_model("float32").get_weights()
    losses = {}
    for policy in ("float32", *policies):
        model = digits_model(policy, weights)
        with agreement.dtype_policy(policy):
            model.compile(keras.optimizers.Adam(0.005))
        logs = model.fit(x, batch_size=100, epochs=8, verbose=0).history
        losses[policy] = logs["loss"][-1]
        assert losses[policy] < 0.75 * logs["loss"][0]
        assert sum(logs["skipped_steps"]) == 0
        scaled = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
        assert scaled == (policy == "mixed_float16")
    for policy in policies:
        assert losses[policy] == pytest.approx(losses["float32"], rel=0.01)
