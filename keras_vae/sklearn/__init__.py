"""A VAE as a scikit-learn estimator: in pipelines, searches and cross-validation.

scikit-learn is imported with the estimator, not with this package.
"""

import typing

from keras_vae import _requirements

if typing.TYPE_CHECKING:
    # For readers of the source: editors and the documentation.
    from keras_vae.sklearn._transformer import VAETransformer

__all__ = ["VAETransformer"]


def __getattr__(name):
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    _requirements.check_scikit_learn("VAETransformer", "whose interface it has")
    from keras_vae.sklearn._transformer import VAETransformer

    return VAETransformer
