"""Writes what pythae gives, for the tests to compare with.

    python docs/migration/pythae_figures.py docs/migration/pythae_figures.npz

It needs pythae 0.1.2 and torch. The model of the guide, trained for a moment, with its losses; and
on the same latents the losses of other models of pythae that the guide has a counterpart for.
"""

import sys
import tempfile

import numpy as np
import pythae_before
import torch
from pythae import models

SHAPE = {"input_dim": (1, 8, 8), "latent_dim": 2}
# Log-weights of 2 x 3 samples.
MANY = {"number_gradient_estimates": 2, "number_samples": 3, **SHAPE}


def of_the_guide(x):
    """Returns the model, its weights and what it makes of the data."""
    torch.manual_seed(1)
    model = pythae_before.build()
    with tempfile.TemporaryDirectory() as folder:
        pythae_before.train(model, x, folder)
    model.eval()
    output = model({"data": torch.tensor(x)})
    return model, {
        **model.state_dict(),
        "latents": output.z,
        "loss": output.loss,
        "reconstruction_loss": output.recon_loss,
        "kl_divergence": output.reg_loss,
        "reconstructions": model.predict(torch.tensor(x)).recon_x,
        "log_likelihood": model.get_nll(torch.tensor(x), n_samples=5000, batch_size=1000),
    }


def of_one_sample(x, latents):
    """Returns the losses of models that take one sample of each posterior."""
    mean, log_variance, z, reconstruction, z_prior = latents
    gaussian = (reconstruction, x, mean, log_variance, z)
    beta = models.BetaVAE(models.BetaVAEConfig(beta=4.0, **SHAPE))
    config = models.DisentangledBetaVAEConfig(beta=10.0, C=5.0, warmup_epoch=9, **SHAPE)
    capacity = models.DisentangledBetaVAE(config)
    autoencoder = models.AE(models.AEConfig(**SHAPE))
    rae = models.RAE_L2(models.RAE_L2_Config(embedding_weight=0.5, **SHAPE))
    info = models.INFOVAE_MMD(models.INFOVAE_MMD_Config(alpha=0.5, lbd=10.0, **SHAPE))
    sphere = models.SVAE(models.SVAEConfig(**SHAPE))
    concentration = torch.nn.functional.softplus(log_variance[:, :1]) + 1
    return {
        "beta": beta.loss_function(*gaussian)[0],
        "capacity": capacity.loss_function(*gaussian, epoch=4)[0],
        "autoencoder": autoencoder.loss_function(reconstruction, x),
        "rae_l2": rae.loss_function(reconstruction, x, z)[0],
        "infovae": info.loss_function(reconstruction, x, z, z_prior, mean, log_variance)[0],
        "concentration": concentration,
        "sphere": sphere._compute_kl(2, concentration).mean(),
    }


def of_many_samples(x, mean, log_variance, z, reconstruction):
    """Returns the losses of models of several samples, and their gradients, as they are trained."""
    reconstruction = reconstruction.clone().requires_grad_()
    miwae, piwae = (
        models.MIWAE(models.MIWAEConfig(**MANY)),
        models.PIWAE(models.PIWAEConfig(**MANY)),
    )
    config = {"number_samples": 6, **SHAPE}
    iwae = models.IWAE(models.IWAEConfig(**config))
    ciwae = models.CIWAE(models.CIWAEConfig(beta=0.25, **config))
    grouped = [part[:, None, None].expand(-1, 2, 3, -1) for part in (mean, log_variance)] + [z]
    flat = [part.flatten(1, 2) for part in grouped]
    losses = {
        "iwae": iwae.loss_function(reconstruction.flatten(1, 2), x, *flat)[0],
        "ciwae": ciwae.loss_function(reconstruction.flatten(1, 2), x, *flat)[0],
        "miwae": miwae.loss_function(reconstruction, x, *grouped)[0],
        "piwae_encoder": piwae.loss_function(reconstruction, x, *grouped)[0],
        "piwae_decoder": piwae.loss_function(reconstruction, x, *grouped)[1],
    }
    # By what comes out of the decoder, summed over the pixels: that tells the samples' weights.
    return losses | {
        f"{name}_gradient": torch.autograd.grad(loss, reconstruction, retain_graph=True)[0].sum(-1)
        for name, loss in losses.items()
    }


def main():
    generator = np.random.default_rng(1)
    factors, patterns = generator.normal(size=(16, 2)), generator.normal(size=(2, 64))
    x = 1 / (1 + np.exp(-2 * factors @ patterns)).astype("float32").reshape(-1, 1, 8, 8)
    model, figures = of_the_guide(x)
    with torch.no_grad():
        encoded = model.encoder(torch.tensor(x))
        mean, log_variance = encoded.embedding, encoded.log_covariance
        noise = torch.tensor(generator.normal(size=(16, 2, 3, 2)).astype("float32"))
        z = mean[:, None, None] + torch.exp(0.5 * log_variance)[:, None, None] * noise
        reconstruction = model.decoder(z.reshape(-1, 2)).reconstruction.reshape(16, 2, 3, 64)
        z_prior = torch.tensor(generator.normal(size=(16, 2)).astype("float32"))
        one = (mean, log_variance, z[:, 0, 0], reconstruction[:, 0, 0], z_prior)
        figures |= of_one_sample(torch.tensor(x), one)
    figures |= of_many_samples(torch.tensor(x), mean, log_variance, z, reconstruction)
    figures |= {"x": x, "mean": mean, "log_variance": log_variance, "z": z, "z_prior": z_prior}
    figures |= {"decoded": reconstruction}
    np.savez_compressed(
        sys.argv[1],
        **{name: np.asarray(torch.as_tensor(figures[name]).detach()) for name in figures},
    )


if __name__ == "__main__":
    main()
