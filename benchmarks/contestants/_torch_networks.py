"""The three networks in PyTorch."""

import itertools

from _serve import MODELS
from torch import nn


def trunks(name):
    """Returns the encoder up to its last hidden units, their number, and the decoder."""
    model = MODELS[name]
    if name == "conv":
        return _convolutions(model["latents"])
    sizes = (model["inputs"], *model["hidden"])
    before = [part for pair in itertools.pairwise(sizes) for part in (nn.Linear(*pair), nn.ReLU())]
    sizes = (model["latents"], *reversed(model["hidden"]))
    after = [part for pair in itertools.pairwise(sizes) for part in (nn.Linear(*pair), nn.ReLU())]
    last = nn.Linear(sizes[-1], model["inputs"])
    return nn.Sequential(*before), model["hidden"][-1], nn.Sequential(*after, last)


def _convolutions(latents):
    before = [nn.Conv2d(1, 32, 3, 2, 1), nn.ReLU(), nn.Conv2d(32, 64, 3, 2, 1), nn.ReLU()]
    after = [nn.Linear(latents, 7 * 7 * 64), nn.ReLU(), nn.Unflatten(1, (64, 7, 7))]
    after += [nn.ConvTranspose2d(64, 32, 3, 2, 1, 1), nn.ReLU()]
    after += [nn.ConvTranspose2d(32, 1, 3, 2, 1, 1)]
    return nn.Sequential(*before, nn.Flatten()), 7 * 7 * 64, nn.Sequential(*after)


def channels_first(x, name):
    """Returns the pictures as PyTorch wants them."""
    return x.swapaxes(-1, -3).swapaxes(-1, -2) if name == "conv" else x
