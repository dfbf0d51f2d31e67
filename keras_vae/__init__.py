"""Plug-in parts for variational autoencoders on Keras 3, TensorFlow and TFP distributions.

- `families`: parameters -> distribution, for posteriors and likelihoods
- `priors`: p(z)
- `objectives`: what is minimised
- `divergences`: pure functions of distributions and samples
- `layers`: `Sampling`, `KLDivergenceRegularizer`, `VectorQuantizer`
- `losses`: `NegativeLogLikelihood`
- `models`: `VAEModel`
- `callbacks`: `KLAnnealing`, `LatentTraversal`, `PosteriorCollapse`
- `schedules`: functions of training progress
- `evaluation`: `report`, `log_likelihood`, disentanglement scores
- `sklearn`: `VAETransformer`
- `tasks`: `impute`, `anomaly_score`, `interpolate`, attributes
"""

from keras_vae import _requirements

_requirements.check()

from keras_vae import (  # noqa: E402, the check must come first
    callbacks,
    divergences,
    evaluation,
    families,
    layers,
    losses,
    models,
    objectives,
    priors,
    schedules,
    sklearn,
    tasks,
)
from keras_vae._version import __version__  # noqa: E402
from keras_vae.callbacks import KLAnnealing, LatentTraversal  # noqa: E402
from keras_vae.layers import KLDivergenceRegularizer, Sampling  # noqa: E402
from keras_vae.models import VAEModel  # noqa: E402

__all__ = [
    "KLAnnealing",
    "KLDivergenceRegularizer",
    "LatentTraversal",
    "Sampling",
    "VAEModel",
    "__version__",
    "callbacks",
    "divergences",
    "evaluation",
    "families",
    "layers",
    "losses",
    "models",
    "objectives",
    "priors",
    "schedules",
    "sklearn",
    "tasks",
]
