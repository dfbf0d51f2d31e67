import warnings
from typing import Any

import keras

from keras_vae._checks import count, number
from keras_vae._types import Data, Integer, Number
from keras_vae.evaluation import active_units, kl_per_dimension


class PosteriorCollapse(keras.callbacks.Callback):
    """Watches, while the model trains, how many latents are in use, and warns if none are.

    A decoder that explains the data without the latents, or a divergence that weighs too much
    too early, lets the posterior collapse to the prior: the ELBO looks fair, and the latents say
    nothing. Each epoch logs `active_units`, which the progress bar and `CSVLogger` show, and
    appends `kl_per_dimension`, an array with the nats of each latent, to the history that `fit`
    returns.

        active_i = Var_x( E_q(z|x)[z_i] ) >= threshold

    Args:
        x: Examples, or a dictionary with the keys "x" and "condition": always the same ones,
            some hundreds are enough.
        threshold: Number >= 0, as in `evaluation.active_units`. Defaults to 0.01.
        min_active: Integer >= 1. Fewer active units are a collapse. Defaults to 1.
        patience: Integer >= 1. So many epochs in a row with a collapse are warned about, once in
            a `fit`. Defaults to 2.

    Raises:
        TypeError: If a number is of another kind, or when training begins and the model is no
            `VAEModel`.
        ValueError: If a number is out of range.

    Reference:
        Burda, Grosse and Salakhutdinov, "Importance Weighted Autoencoders", 2016, section 5.2;
        Lucas et al., "Don't Blame the ELBO! A Linear VAE Perspective on Posterior Collapse", 2019.

    Example:
        >>> import keras, numpy as np
        >>> from keras_vae import VAEModel
        >>> encoder = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
        >>> decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(8)])
        >>> model = VAEModel(encoder, decoder, likelihood="bernoulli")
        >>> model.compile()
        >>> x = np.random.default_rng(0).integers(0, 2, (32, 8))
        >>> history = model.fit(x, verbose=0, callbacks=[PosteriorCollapse(x)]).history
        >>> history["kl_per_dimension"][0].shape
        (2,)
    """

    def __init__(
        self, x: Data, threshold: Number = 0.01, min_active: Integer = 1, patience: Integer = 2
    ) -> None:
        super().__init__()
        owner = type(self).__name__
        self.x = x
        self.threshold = number(threshold, "threshold", owner)
        self.min_active = count(min_active, "min_active", owner)
        self.patience = count(patience, "patience", owner)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        from keras_vae.models import VAEModel

        if not isinstance(self.model, VAEModel):
            raise TypeError(
                "PosteriorCollapse expects a VAEModel, which can encode. "
                f"Received: a model of class {type(self.model).__name__}. "
                "Build a VAEModel from its encoder and decoder."
            )
        self._collapsed_epochs, self._warned = 0, False

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        num_active = int(active_units(self.model, self.x, self.threshold).sum())
        kl = kl_per_dimension(self.model, self.x)
        # The history keeps what no progress bar can show.
        self.model.history.history.setdefault("kl_per_dimension", []).append(kl)
        if logs is not None:
            logs["active_units"] = num_active
        collapsed = num_active < self.min_active
        self._collapsed_epochs = self._collapsed_epochs + 1 if collapsed else 0
        if self._collapsed_epochs >= self.patience and not self._warned:
            self._warn(num_active, kl.sum())

    def _warn(self, num_active, kl):
        self._warned = True
        warnings.warn(
            f"PosteriorCollapse expects at least {self.min_active} active units. "
            f"Received: {num_active} for {self._collapsed_epochs} epochs in a row, with a KL "
            f"divergence of {kl:.2g} nats in all. The decoder works without the latents. Raise "
            "the weight of the divergence slowly (KLAnnealing), leave it some nats for free "
            "(ELBO(free_nats=...)) or hold it at a capacity (ELBO(capacity=...)), or give the "
            "decoder less power.",
            stacklevel=2,
        )
