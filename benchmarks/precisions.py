"""Every family, prior, objective and penalty in half and double precision, and under XLA.

The helpers of tests/conformance measure; this writes down what they find: the worst difference of
a log-likelihood, KL divergence or loss from that in float64 of the same parameters, and whether a
tiny model with the part trains. A quarter of an hour on two cores, most of it for XLA. Run:

    python benchmarks/precisions.py                 # needs pip install "keras-vae[dev]"
"""

import functools
import pathlib
import sys
import time

import tensorflow as tf
from _results import RESULTS, save

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests" / "conformance"))

import agreement
import test_combinations as combinations
import test_every_family as every_family
import test_every_objective as every_objective

AXES = ("posterior", "prior", "likelihood", "objective", "penalty")
# What trains in a column: a policy, and the arguments of `compile`.
COLUMNS = {policy: (policy, {"run_eagerly": True}) for policy in agreement.POLICIES}
COLUMNS["XLA"] = ("float32", {"jit_compile": True})


def class_name(axis, name):
    """Returns the name of the class of a part of test_combinations.py."""
    make = combinations.AXES[axis][name]
    return type((make[1] if isinstance(make, tuple) else make)()).__name__


kl_difference = functools.cache(agreement.kl_difference)


def difference(axis, name, policy):
    """Returns the worst relative difference from float64 of what the part computes, or None."""
    cls = class_name(axis, name)
    if AXES[axis] == "likelihood":
        rows = [row for row in every_family.LIKELIHOODS.values() if row.family.__name__ == cls]
        worst = [agreement.likelihood_difference(row, policy) for row in rows]
    elif AXES[axis] in ("posterior", "prior"):
        pairs = [pair for pair in agreement.kl_pairs() if pair[axis] == name]
        worst = [kl_difference(*pair, policy) for pair in pairs]
    else:
        # The noise of a gradient penalty is its own, and another one in each precision.
        rows = [row for row in every_objective.ROWS.values() if row.part.__name__ == cls]
        rows = [row for row in rows if cls != "GradientPenalty"]
        worst = [agreement.objective_difference(row, policy) for row in rows]
    return max(worst, default=None)


@functools.cache
def training(row, column):
    """Returns "trains", or why not."""
    policy, compile_arguments = COLUMNS[column]
    try:
        with agreement.dtype_policy(policy):
            combinations.train(row, **compile_arguments)
    except Exception as error:
        return f"{type(error).__name__} {str(error)[:60]!r}"
    return "trains"


def sampling(name):
    """Returns whether XLA compiles the sampler of a likelihood, in words."""
    family = combinations.LIKELIHOODS[name][1]()
    sample = tf.function(lambda params: family.sample(params, seed=(1, 2)), jit_compile=True)
    try:
        sample(tf.zeros((2, *family.params_shape)))
    except (tf.errors.OpError, ValueError) as error:
        print(family, str(error)[:200])
        return ", cannot be sampled"
    return ""


def main():
    start, table, figures = time.perf_counter(), [("part", *COLUMNS)], {}
    for (axis, name), row in agreement.rows_with_one_part().items():
        if name == "none":
            continue
        cells = {column: training(row, column) for column in COLUMNS}
        for policy in agreement.HALF:
            value = difference(axis, name, policy)
            cells[policy] += "" if value is None else f", {value:.0e}"
        if AXES[axis] == "likelihood":
            cells["XLA"] += sampling(name)
        # A class may have several rows: the name is that of test_combinations.py.
        label = f"{AXES[axis]} `{class_name(axis, name)}` ({name})"
        figures[label] = cells
        table.append((label, *cells.values()))
        print(*table[-1], sep=" | ", flush=True)
    seconds = time.perf_counter() - start
    save(RESULTS / "precisions", table, parts=figures, seconds=seconds, seeds=[3, 4, 6, 7, 8])


if __name__ == "__main__":
    main()
