"""A `VAEModel` as its users look at it: in words, and as a graph of layers."""

import keras

from keras_vae.layers import Sampling


def parts_in_words(model):
    """Returns what `summary` says beyond the table of layers."""
    lines = [
        f"Posterior q(z|x): {model.posterior!r}, from {model.encoder.name!r}",
        f"Likelihood p(x|z): {model.likelihood!r}, from {model.decoder.name!r}",
        f"Prior p(z): {_prior_in_words(model.prior)}",
    ]
    if model.objective is not None:
        lines.append(f"Objective: {model.objective!r}")
    return "\n".join(f" {line}" for line in lines)


def _prior_in_words(prior):
    if prior is None:
        return "StandardNormal, of the shape of the posterior"
    return f"{type(prior).__name__}(event_shape={prior.event_shape})"


def as_functional(model):
    """Returns the graph x -> encoder -> z -> decoder, as `VAEModel.as_functional` describes."""
    for name in ("encoder", "decoder"):
        if not getattr(getattr(model, name), "inputs", None):
            raise ValueError(
                "VAEModel.as_functional expects networks that know their inputs. Received: "
                f"{name}={getattr(model, name)!r}. Build it as a functional or Sequential model "
                "with an Input."
            )
    inputs = [keras.Input(batch_shape=x.shape, dtype=x.dtype) for x in model.encoder.inputs]
    z = Sampling(model.posterior, name="z")(model.encoder(_one_or_list(inputs)))
    outputs = model.decoder(_one_or_list([z, *inputs[1:]]))
    return keras.Model(_one_or_list(inputs), outputs, name=model.name)


def _one_or_list(tensors):
    return tensors[0] if len(tensors) == 1 else tensors
