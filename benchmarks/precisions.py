"""Every family, prior, objective and penalty in half and double precision, with XLA and without.

The helpers of tests/conformance measure; this writes down what they find. A part is trained for
two steps of the smallest model that has it. An hour on two cores, most of it compilation. Run:

    python benchmarks/precisions.py [--without-xla]
"""

import argparse
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
XLA = {"": {"jit_compile": False}, "XLA, ": {"jit_compile": True}}
# Rows of test_every_family.py and test_every_objective.py that show the same class as a part here.
BY_CLASS = {"likelihood": every_family.LIKELIHOODS, "objective": every_objective.ROWS}


def part_name(axis, name):
    """Returns the name of the class, with that of the row where the two say different things."""
    made = combinations.AXES[axis][name]
    made = made[1]() if isinstance(made, tuple) else made()
    return type(made).__name__


def disagreement(axis, name, policy):
    """Returns the worst relative difference from float64 of what the part computes, or None."""
    if AXES[axis] in ("posterior", "prior"):
        pairs = [pair for pair in agreement.kl_pairs() if pair[axis] == name]
        worst = [agreement.kl_difference(*pair, policy) for pair in pairs]
    elif AXES[axis] == "likelihood":
        cls = part_name(axis, name)
        rows = every_family.LIKELIHOODS.values()
        rows = [row for row in rows if row.family.__name__ == cls]
        worst = [agreement.likelihood_difference(row, policy) for row in rows]
    else:
        cls = part_name(axis, name)
        rows = [row for row in every_objective.ROWS.values() if row.part.__name__ == cls]
        worst = [agreement.objective_difference(row, policy) for row in rows]
    return max(worst, default=None)


def trains(row, policy, **compile_arguments):
    """Returns "trains", or why not."""
    try:
        with agreement.dtype_policy(policy):
            combinations.train(row, **compile_arguments)
    except Exception as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0][:60]}"
    return "trains"


def samples_under_xla(name):
    """Returns "samples" if XLA compiles the sampler of a likelihood, or why not."""
    family = combinations.LIKELIHOODS[name][1]()
    sample = tf.function(lambda params: family.sample(params, seed=(1, 2)), jit_compile=True)
    try:
        sample(tf.zeros((2, *family.params_shape)))
    except Exception as error:
        return f"no samples: {type(error).__name__}"
    return "samples"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--without-xla", action="store_true")
    without_xla = parser.parse_args().without_xla
    ways = {"": XLA[""]} if without_xla else XLA
    start, done, table = time.perf_counter(), {}, []
    columns = [(way, policy) for way in ways for policy in agreement.POLICIES]
    table.append(("part", *agreement.HALF, *(f"{way}{policy}" for way, policy in columns)))
    figures = {}
    for (axis, name), row in agreement.rows_with_one_part().items():
        if name == "none":
            continue
        label = f"{AXES[axis]} `{part_name(axis, name)}`"
        worst = {policy: disagreement(axis, name, policy) for policy in agreement.HALF}
        cells = []
        for way, policy in columns:
            key = (row, way, policy)
            if key not in done:
                done[key] = trains(row, policy, **ways[way])
            cells.append(done[key])
        if AXES[axis] == "likelihood" and not without_xla:
            sampling = samples_under_xla(name)
            if sampling != "samples":
                cells = [*cells[:3], *(f"{cell}, {sampling}" for cell in cells[3:])]
        shown = ["" if value is None else f"{value:.0e}" for value in worst.values()]
        table.append((label, *shown, *cells))
        figures[f"{label} ({name})"] = {"difference": worst, "training": cells}
        print(*table[-1], sep=" | ", flush=True)
    seconds = time.perf_counter() - start
    save(RESULTS / "precisions", table, parts=figures, seconds=seconds, seeds=[3, 4, 6, 7, 8])


if __name__ == "__main__":
    main()
