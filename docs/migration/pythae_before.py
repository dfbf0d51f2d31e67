"""A VAE of pythae 0.1.2, on torch."""

import torch
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.pipelines import TrainingPipeline
from pythae.trainers import BaseTrainerConfig
from torch import nn


class Encoder(BaseEncoder):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(64, 16)
        self.embedding = nn.Linear(16, 2)
        self.log_var = nn.Linear(16, 2)

    def forward(self, x):
        hidden = torch.relu(self.hidden(x.flatten(1)))
        return ModelOutput(embedding=self.embedding(hidden), log_covariance=self.log_var(hidden))


class Decoder(BaseDecoder):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(2, 16)
        self.pixels = nn.Linear(16, 64)

    def forward(self, z):
        pixels = torch.sigmoid(self.pixels(torch.relu(self.hidden(z))))
        return ModelOutput(reconstruction=pixels.reshape(-1, 1, 8, 8))


def build():
    """Returns the model for pictures of 8 x 8 pixels, with 2 latents."""
    config = VAEConfig(input_dim=(1, 8, 8), latent_dim=2, reconstruction_loss="bce")
    return VAE(config, Encoder(), Decoder())


def train(model, x, folder):
    config = BaseTrainerConfig(
        folder, num_epochs=50, learning_rate=1e-2, per_device_train_batch_size=8
    )
    TrainingPipeline(model, config)(x)
