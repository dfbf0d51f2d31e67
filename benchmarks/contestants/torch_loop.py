"""What a user would write with PyTorch."""

import torch
from _serve import MODELS, batches, serve
from _torch_networks import channels_first, trunks
from torch.nn import functional


def steps(name):
    trunk, hidden, decoder = trunks(name)
    encoder = torch.nn.Sequential(trunk, torch.nn.Linear(hidden, 2 * MODELS[name]["latents"]))
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], 1e-3)
    data = torch.from_numpy(channels_first(batches(name), name).copy())

    def epoch():
        totals = torch.zeros(3)
        for x in data:
            mean, log_variance = encoder(x).chunk(2, -1)
            output = decoder(mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean))
            if name == "table":
                reconstruction = 0.5 * functional.mse_loss(output, x, reduction="sum")
            else:
                reconstruction = functional.binary_cross_entropy_with_logits(
                    output, x, reduction="sum"
                )
            kl = 0.5 * (log_variance.exp() + mean.square() - 1 - log_variance).sum()
            loss = (reconstruction + kl) / len(x)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            totals += torch.stack([loss, reconstruction, kl]).detach()

    return epoch


if __name__ == "__main__":
    serve({"steps": steps})
