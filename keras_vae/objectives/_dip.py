from typing import Literal

import numpy as np
import tensorflow as tf

from keras_vae._registry import serializable
from keras_vae._schedule import scalar
from keras_vae._types import Config, Scalar
from keras_vae.objectives._penalty import Penalty


@serializable
class DIP(Penalty):
    """Penalises the covariance of the aggregate posterior for not being the identity: DIP-VAE.

    Covariances are taken over the batch. Kind 1 looks at the posterior means, kind 2 at the
    samples of the posterior.

        C = Cov_x[mu(x)]                                  (kind 1)
        C = Cov_x[mu(x)] + E_x[diag(sigma(x)^2)]          (kind 2)
        penalty = sum_{i != j} C_ij^2 + diagonal_ratio * sum_i (C_ii - 1)^2

    Args:
        weight: Number >= 0 or schedule, lambda_od of the paper.
        kind: 1 or 2. Defaults to 2.
        diagonal_ratio: Number >= 0 or schedule, lambda_d / lambda_od, or None for the paper's 10
            for kind 1 and 1 for kind 2. Defaults to None.

    Shapes:
        returns: `()`.

    Raises:
        TypeError: If a number is of another kind.
        ValueError: If an argument is out of range.

    Reference:
        Kumar, Sattigeri and Balakrishnan, "Variational Inference of Disentangled Latent Concepts
        from Unlabeled Observations", 2018, equations 6 and 7.

    Example:
        >>> DIP(weight=10.0, kind=1)
        DIP(weight=10.0, kind=1, diagonal_ratio=None)
    """

    name = "dip"

    def __init__(
        self, weight: Scalar, kind: Literal[1, 2] = 2, diagonal_ratio: Scalar | None = None
    ) -> None:
        super().__init__(weight)
        if not isinstance(kind, (int, np.integer)) or kind not in (1, 2):
            raise ValueError(
                f"DIP expects kind to be 1 or 2. Received: kind={kind!r}. Change the value."
            )
        self.kind = kind
        self.diagonal_ratio = scalar(diagonal_ratio, "diagonal_ratio", "DIP", optional=True)

    def _value(self, terms):
        mean = _flat(terms.posterior.mean())
        # Over the batch, not over the latents: a transposed covariance is the usual mistake.
        centred = mean - tf.reduce_mean(mean, axis=0)
        size = tf.cast(tf.maximum(tf.shape(mean)[0], 1), mean.dtype)
        covariance = tf.matmul(centred, centred, transpose_a=True) / size
        if self.kind == 2:
            variance = tf.reduce_mean(_flat(terms.posterior.variance()), axis=0)
            covariance += tf.linalg.diag(variance)
        diagonal = tf.linalg.diag_part(covariance)
        off_diagonal = tf.linalg.set_diag(covariance, tf.zeros_like(diagonal))
        default = 10.0 if self.kind == 1 else 1.0
        ratio = default if self.diagonal_ratio is None else terms.at_step(self.diagonal_ratio)
        return tf.reduce_sum(tf.square(off_diagonal)) + ratio * tf.reduce_sum(
            tf.square(diagonal - 1.0)
        )

    def get_config(self) -> Config:
        config = super().get_config()
        return {**config, "kind": self.kind, "diagonal_ratio": self.diagonal_ratio}


def _flat(x):
    return tf.reshape(x, (tf.shape(x)[0], -1)) if x.shape.rank > 2 else x
