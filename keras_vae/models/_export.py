"""SavedModels with one signature a use."""

import os
import pathlib
import shutil
import tempfile

import tensorflow as tf

from keras_vae.evaluation._importance import importance_estimate
from keras_vae.families import Deterministic


def export(model, path, overwrite=True):
    """Writes `model` to the directory `path`, complete or not at all."""
    path = pathlib.Path(path)
    if path.exists() and (not overwrite or not path.is_dir()):
        raise ValueError(
            f"VAEModel.export expects a directory that may be written. Received: path={path}, "
            "which exists. Take another path or overwrite=True."
        )
    if path.is_dir() and any(path.iterdir()) and not (path / "saved_model.pb").exists():
        raise ValueError(
            "VAEModel.export expects a new directory, an empty one, or an earlier SavedModel. "
            f"Received: path={path}, which holds other files. Take another path."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = pathlib.Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        module, signatures = _served(model)
        tf.saved_model.save(module, str(temporary), signatures=signatures)
        # The permissions of an ordinary directory, not those of a private temporary one.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o777 & ~umask)
        _exchange(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _exchange(new, path):
    """Gives the directory `new` the name `path`; what has it now is deleted last.

    A directory cannot be replaced at once: a process that is killed between the two renames leaves
    no model of this name, but both models whole beside it, under names that begin with a dot.
    """
    if not path.exists():
        new.rename(path)
        return
    old = new.with_name(f"{new.name}-old")
    path.rename(old)
    try:
        new.rename(path)
    except BaseException:
        old.rename(path)
        raise
    # The new model is there: what is left of the old one is no reason to fail.
    shutil.rmtree(old, ignore_errors=True)


def _served(model):
    """Returns a module that holds the model's variables, and its signatures."""
    module = tf.Module()
    metrics = {id(variable) for variable in model.metrics_variables}
    # Variables alone: a SavedModel of the Keras object would carry its Python structure along.
    module.state = [v.value for v in model.variables if id(v) not in metrics]
    x, *condition = _input_specs(model)
    z = tf.TensorSpec((None, *model.posterior.event_shape), tf.float32, name="z")
    num_samples = tf.TensorSpec((), tf.int32, name="num_samples")
    seed = tf.TensorSpec((2,), tf.int32, name="seed")
    specs = {
        "serving_default": (_reconstruct, [x]),
        "encode": (_encode, [x]),
        "decode": (_decode, [z]),
        "sample": (_sample, [num_samples, seed]),
        "log_likelihood": (_log_likelihood, [x, num_samples, seed]),
    }
    functions = {
        name: _bind(function, model).get_concrete_function(*arguments, *condition)
        for name, (function, arguments) in specs.items()
    }
    return module, functions


def _bind(function, model):
    return tf.function(lambda *arguments: function(model, *arguments), autograph=False)


def _input_specs(model):
    """Returns the specification of x and, if the encoder takes one, of the condition."""
    inputs = getattr(model.encoder, "inputs", None)
    if inputs:
        shapes = [(tensor.shape, tensor.dtype) for tensor in inputs]
    else:
        shapes = model.encoder.get_build_config()["input_shape"]
        # The shape of one tensor, or those of x and the condition.
        shapes = [shapes] if shapes[0] is None or isinstance(shapes[0], int) else shapes
        shapes = [(shape, model.encoder.input_dtype) for shape in shapes]
    return [
        tf.TensorSpec((None, *shape[1:]), _served_dtype(dtype), name=name)
        for name, (shape, dtype) in zip(("x", "condition"), shapes, strict=False)
    ]


def _served_dtype(dtype):
    # Callers send float32, whatever the precision inside.
    return tf.float32 if dtype in ("float16", "bfloat16") else tf.as_dtype(dtype)


def _reconstruct(model, x, condition=None):
    inputs = x if condition is None else {"x": x, "condition": condition}
    return {"reconstruction": model(inputs, training=False)}


def _encode(model, x, condition=None):
    params = model._encoder_params(x, condition, training=False)
    stddev = model.posterior(params).stddev()
    return {"mean": model.posterior.point_estimate(params), "stddev": stddev}


def _decode(model, z, condition=None):
    params = model._decoder_params(z, condition, training=False)
    return {"mean": model.likelihood.point_estimate(params)}


def _sample(model, num_samples, seed, condition=None):
    return {
        "sample": model.sample(num_samples, seed, condition),
        "mean": model.sample(num_samples, seed, condition, mean=True),
    }


def _log_likelihood(model, x, num_samples, seed, condition=None):
    # A point has no density to sample from: there the prior proposes.
    proposal = "prior" if isinstance(model.posterior, Deterministic) else "posterior"
    estimate = importance_estimate(model, x, condition, num_samples, seed, proposal)
    return estimate._asdict()
