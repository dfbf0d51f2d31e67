"""The type hints: every public signature has them, and mypy reads them as a user means them."""

import functools
import importlib
import inspect
import pathlib

from test_docs import blocks
from test_public_api import FOLDERS

ROOT = pathlib.Path(__file__).parents[1]

# Lines with `type: ignore` are mistakes: mypy fails for one of them that it finds nothing wrong in.
CODE_OF_A_USER = """
from typing import Any

import numpy as np
from typing_extensions import assert_type

x_train = x_valid = np.zeros((40, 28, 28))
{readme}
from keras_vae import evaluation, objectives, priors, tasks

# Decorators leave classes and functions what they are.
assert_type(objectives.ELBO(beta=4.0), objectives.ELBO)
assert_type(objectives.ELBO.from_config({{}}), objectives.ELBO)
assert_type(schedules.linear(0.0, 1.0, duration=np.int64(5)), schedules.Schedule)
assert_type(model, keras_vae.VAEModel)
assert_type(model.posterior, families.Family)
assert_type(model.likelihood.event_shape, tuple[int, ...])
assert_type(evaluation.rate_distortion(model, {{"x": x_valid}}, seed=(1, 2)).elbo, float)
objectives.Penalized(objectives.IWAE(5), objectives.DIP(weight=lambda step: step / 100))
families.Blockwise([families.Normal(3, scale="learned"), families.Bernoulli([2])])


class Squares(objectives.Penalty):
    name = "squares"

    def _value(self, terms: objectives.Terms) -> Any:
        return terms.z[0] ** 2


objectives.Penalized(objectives.ELBO(), [Squares(), objectives.MMD(1.0)])

objectives.ELBO(beta="x")  # type: ignore[arg-type]
objectives.ELBO(betta=4.0)  # type: ignore[call-arg]
objectives.DIP(1.0, kind=3)  # type: ignore[arg-type]
objectives.Penalized(objectives.ELBO(), ["dip"])  # type: ignore[list-item]
families.Bernoulli("28")  # type: ignore[arg-type]
families.Normal(3, scale="learnt")  # type: ignore[arg-type]
priors.TrainablePrior(3)  # type: ignore[arg-type]
losses.NegativeLogLikelihood("bernoulli")  # type: ignore[arg-type]
Sampling(seed="1")  # type: ignore[arg-type]
schedules.linear(0.0, "1")  # type: ignore[arg-type]
KLAnnealing(0.5)  # type: ignore[arg-type]
KLAnnealing(schedules.constant(0.5), unit="steps")  # type: ignore[arg-type]
keras_vae.VAEModel(encoder)  # type: ignore[call-arg]
model.compile(objective=4.0)  # type: ignore[arg-type]
model.sample("16")  # type: ignore[arg-type]
evaluation.log_likelihood(model, x_valid, method="laplace")  # type: ignore[arg-type]
tasks.interpolate(model, x_valid[0], x_valid[1], num_steps=0.1)  # type: ignore[arg-type]
"""


def public_functions():
    """Returns the functions, methods and constructors of the public API, by their names."""
    found = {}
    for folder in FOLDERS:
        module = importlib.import_module(f"keras_vae.{folder}")
        for value in (getattr(module, name) for name in module.__all__):
            members = methods(value) if inspect.isclass(value) else [value]
            found.update({f"{each.__module__}.{each.__qualname__}": each for each in members})
    return found


def methods(cls):
    """Yields what a class and its bases in this package define for a user."""
    for base in cls.__mro__:
        for name, member in vars(base).items():
            function = underlying(member)
            public = name[0] != "_" or name in ("__init__", "__call__")
            if public and inspect.isfunction(function) and base.__module__.startswith("keras_vae"):
                yield function


def underlying(member):
    """Returns the function behind a property or a class method."""
    if isinstance(member, property):
        return member.fget
    if isinstance(member, functools.cached_property):
        return member.func
    return getattr(member, "__func__", member)


def lacks_hints(function):
    signature = inspect.signature(function)
    hints = [p.annotation for p in signature.parameters.values() if p.name not in ("self", "cls")]
    return inspect.Signature.empty in (*hints, signature.return_annotation)


def test_every_public_signature_has_type_hints():
    functions = public_functions()
    assert len(functions) > 200
    assert [name for name, function in functions.items() if lacks_hints(function)] == []


def test_mypy_passes_what_is_right_and_finds_what_is_wrong(tmp_path, monkeypatch):
    from mypy import api

    # Where `make check` has left what mypy remembers.
    monkeypatch.chdir(ROOT)
    script = tmp_path / "script.py"
    script.write_text(CODE_OF_A_USER.format(readme="\n".join(blocks(ROOT / "README.md"))))
    report, faults, status = api.run([str(script)])
    assert status == 0, report + faults
