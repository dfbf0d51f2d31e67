"""pythae: the step of its trainer, and its `get_nll`."""

import tempfile

import torch
from _serve import MODELS, data, serve
from _torch_networks import channels_first, trunks
from pythae.data.datasets import BaseDataset
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from pythae.trainers.training_callbacks import CallbackHandler


class Encoder(BaseEncoder):
    def __init__(self, trunk, hidden, latents):
        super().__init__()
        self.trunk = trunk
        self.mean, self.log_variance = (torch.nn.Linear(hidden, latents) for _ in range(2))

    def forward(self, x):
        hidden = self.trunk(x)
        return ModelOutput(embedding=self.mean(hidden), log_covariance=self.log_variance(hidden))


class Decoder(BaseDecoder):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, z):
        return ModelOutput(reconstruction=self.network(z))


class Batches(list):
    """Ready-made batches in place of pythae's loader."""

    def __init__(self, loader):
        super().__init__(loader)
        self.dataset = loader.dataset


def build(name):
    trunk, hidden, decoder = trunks(name)
    if name != "table":  # Its cross-entropy wants probabilities.
        decoder = torch.nn.Sequential(decoder, torch.nn.Sigmoid())
    latents = MODELS[name]["latents"]
    shape = {"conv": (1, 28, 28)}.get(name, (MODELS[name]["inputs"],))
    loss = "mse" if name == "table" else "bce"
    config = VAEConfig(input_dim=shape, latent_dim=latents, reconstruction_loss=loss)
    return VAE(config, Encoder(trunk, hidden, latents), Decoder(decoder))


def trainer(name):
    x = torch.from_numpy(channels_first(data(name), name).copy())
    config = BaseTrainerConfig(
        output_dir=tempfile.mkdtemp(),
        per_device_train_batch_size=MODELS[name]["batch"],
        learning_rate=1e-3,
    )
    made = BaseTrainer(build(name), BaseDataset(x, torch.ones(len(x))), training_config=config)
    made.prepare_training()
    made.callback_handler = CallbackHandler([], made.model)  # No progress bar.
    return made


def steps(name):
    made = trainer(name)
    made.train_loader = Batches(made.train_loader)
    return lambda: made.train_step(1)


def steps_with_its_loader(name):
    made = trainer(name)
    return lambda: made.train_step(1)


def log_likelihood(num_samples, num_examples, batch_size=100):
    model = build("mlp").eval()
    x = torch.from_numpy(data("mlp")[:num_examples])

    def run():
        with torch.no_grad():
            model.get_nll(x, n_samples=num_samples, batch_size=batch_size)

    return run


if __name__ == "__main__":
    serve(
        {
            "steps": steps,
            "steps_with_its_loader": steps_with_its_loader,
            "log_likelihood": log_likelihood,
        }
    )
