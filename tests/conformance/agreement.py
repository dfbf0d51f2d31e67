"""How far the parts are from float64 in half precision, for tests and for a benchmark's table.

What is compared comes from the same parameters: numbers that the half precision has exactly, as
the output of a network under a mixed policy is. The network itself has three digits in float16.
"""

import contextlib
import itertools

import keras
import numpy as np
import tensorflow as tf
import test_combinations as combinations
import test_every_objective as every_objective

from keras_vae import divergences, families, priors

HALF = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}
POLICIES = (*HALF, "float64")
BATCH, LATENT = 50, combinations.LATENT
SHAPES = [(3,), (2, 3), (20,)]


@contextlib.contextmanager
def dtype_policy(policy):
    """The policy of what is made within."""
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy("float32")


def difference(value, exact, entries):
    """Returns the largest difference, relative to the value or to one nat an entry.

    Terms of one nat, such as log(2 pi), make up a logarithm of a density. Where they cancel,
    what is left is as exact as they are, and not as its own size.
    """
    value, exact = (np.asarray(array, "float64") for array in (value, exact))
    return float(np.max(np.abs(value - exact) / np.maximum(np.abs(exact), entries)))


def likelihood_difference(row, policy):
    """Of log p(x | params) of a row of test_every_family.py from that in float64.

    The latter is what the densities in numpy are that the row has, to twelve digits.
    """
    worst = 0.0
    for event_shape in SHAPES:
        for scale in (1.0, 3.0):
            if scale > 1.0 and row.family is families.MultivariateNormalTriL:
                # The condition of a random triangular matrix of such entries has no bound.
                continue
            parts = [scale * part for part in row.parts(event_shape, BATCH)]
            parts = [tf.cast(part, HALF.get(policy, "float64")) for part in parts]
            x = row.data(BATCH, *event_shape).astype("float32")
            with dtype_policy(policy):
                family = row.make(event_shape)
            value = family.log_likelihood(x, parts)
            exact = family.log_likelihood(x, [tf.cast(part, "float64") for part in parts])
            worst = max(worst, difference(value, exact, np.prod(event_shape)))
    return worst


def kl_difference(posterior, prior, policy):
    """Of KL(q || p) of names of test_combinations.py, from that of the same samples in float64."""
    rng = np.random.default_rng(4)
    params, pseudo_params = rng.normal(size=(2, BATCH, 3 * LATENT**2)).astype("float32")
    results, weights, z = [], {}, None
    for name, dtype in ((policy, HALF.get(policy, "float64")), ("float64", "float64")):
        with dtype_policy(name):
            family, p = combinations.POSTERIORS[posterior][1](), _prior(prior)
        for part in (family, p):
            if getattr(part, "weights", ()):
                # Away from where they start: there a flow is the identity.
                new = [w + rng.normal(scale=0.3, size=w.shape) for w in part.get_weights()]
                new = [w.astype("float32") for w in new]
                part.set_weights(weights.setdefault(type(part), new))

        def given(array, size, dtype=dtype):
            # Rounded to half precision, whatever the precision that it is given in.
            return tf.cast(tf.cast(array[:, :size], HALF.get(policy, "float32")), dtype)

        encoded = given(params, family.params_size)
        p = p.distribution(
            encode=lambda x, family=family: family(given(pseudo_params[:3], family.params_size)),
            condition=given(pseudo_params, 2 * LATENT) if prior == "conditional" else None,
        )
        q, drawn = family.draw(encoded, 5, seed=1)
        # Samples of the first one for both. A flow knows the density of its own.
        z = drawn if z is None else tf.cast(z, q.dtype)
        results.append(divergences.kl_divergence(q, p, z))
    return difference(*results, LATENT)


def _prior(name):
    if name != "conditional":
        return combinations.PRIORS[name][1]()
    # The condition is the parameters: no network between.
    network = keras.Sequential([keras.Input((2 * LATENT,)), keras.layers.Identity()])
    return priors.ConditionalPrior(network, families.MultivariateNormalDiag(LATENT))


def kl_pairs():
    """Returns the pairs of a posterior with a density and a prior on the same space."""
    return [
        (posterior, prior)
        for posterior, (space, _) in combinations.POSTERIORS.items()
        for prior, (spaces, _) in combinations.PRIORS.items()
        if space in spaces and posterior != "deterministic"
    ]


def objective_difference(row, policy):
    """Of the loss of each example of a row of test_every_objective.py from that in float64."""
    rng = np.random.default_rng(6)
    params = rng.normal(size=(every_objective.NUM_EXAMPLES, 2 * every_objective.NUM_LATENTS))
    slopes = rng.normal(size=(every_objective.NUM_LATENTS, every_objective.NUM_FEATURES))
    half, wide = HALF.get(policy, "float64"), "float32" if policy in HALF else "float64"
    losses, prior_z = [], None
    for given, dtype in ((half, wide), ("float64", "float64")):
        objective = row.make_objective()
        encoded, matrix = (tf.cast(tf.cast(array, half), given) for array in (params, slopes))
        terms = every_objective.terms_of(encoded, tf.cast(matrix, dtype), objective.num_samples)
        # The same noise in both: that of the first one.
        prior_z = terms.prior_z if prior_z is None else tf.cast(prior_z, dtype)
        vars(terms)["prior_z"] = prior_z
        losses.append(objective(terms))
    return difference(*losses, every_objective.NUM_LATENTS)


def rows_with_one_part():
    """Returns {(axis, part): row}, the usual model but for this part and what it asks for."""
    usual = ("diag", "standard_normal", "normal", "elbo", "none")
    possible = [row for row in itertools.product(*combinations.AXES) if combinations.may_meet(*row)]
    return {
        (axis, part): max(
            (row for row in possible if row[axis] == part),
            key=lambda row: sum(map(str.__eq__, row, usual)),
        )
        for axis, table in enumerate(combinations.AXES)
        for part in table
    }
