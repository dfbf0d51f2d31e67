import functools
import io
import pathlib
import re
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_vae._checks import count, path
from keras_vae._files import remove_leftovers, written_atomically
from keras_vae._types import Data, Integer, Number, Path
from keras_vae.callbacks._arguments import checked_dims, checked_formats, checked_quantiles
from keras_vae.callbacks._attempts import Attempts
from keras_vae.callbacks._notebook import NotebookPicture
from keras_vae.callbacks._pictures import figure_of, save_gif
from keras_vae.callbacks._traversal import traverse

_DOTS_PER_INCH = 100


class LatentTraversal(keras.callbacks.Callback):
    """Saves a picture of what each latent does, while the model trains.

    Rows are latents, the most informative first: ranked by their mean KL divergence on `x`, or
    without `x` by how much the data changes with them. Columns move one latent over quantiles of
    the prior, starting from the first two examples of `x`, or from the prior's mean. For one-hot
    latents a row is a variable, and the columns are its classes in place of quantiles. Images
    become a grid, vectors and series (at most 4 channels) line plots. In a notebook the picture
    also shows below the cell. A file that cannot be written is a warning, and training goes on.
    Needs matplotlib and Pillow.

        cell (i, t) = E[x | z],  z = start with z_i = quantile_t of the prior's latent i

    Args:
        directory: Folder for `traversal_epoch_0001.png` and so on.
        x: Examples, or a dictionary with the keys "x" and "condition". Defaults to None.
        dims: Latents that are shown: an integer for that many of the highest rank, None for all,
            or a list of them in the order of the rows (indices of the flattened latent, or of
            the variables of a one-hot one). Defaults to 10.
        num_steps: Integer >= 2, columns. Defaults to 9.
        every: Integer >= 1, epochs between pictures. Defaults to 1.
        quantiles: Lowest and highest quantile. Defaults to (0.02, 0.98).
        formats: What is written: "png" a picture each time, "gif" as well an animation
            `traversal.gif` when training ends, "tensorboard" as well image summaries. Defaults
            to ("png",).

    Raises:
        ImportError: If matplotlib, Pillow or (for that format) tensorboard is missing.
        TypeError: If a number is of another kind, or when training begins and the model is no
            `VAEModel`.
        ValueError: If an argument is out of range, or when training begins and `dims` or `x` do
            not fit the model.

    Reference:
        Higgins et al., "beta-VAE", 2017, figure 1.

    Example:
        >>> import tempfile
        >>> traversal = LatentTraversal(tempfile.mkdtemp(), dims=4, every=5)
    """

    _first_epoch: int | None
    _frames: list

    def __init__(
        self,
        directory: Path,
        x: Data | None = None,
        dims: Integer | Sequence[Integer] | np.ndarray | None = 10,
        num_steps: Integer = 9,
        every: Integer = 1,
        quantiles: Sequence[Number] = (0.02, 0.98),
        formats: str | Sequence[str] = ("png",),
    ) -> None:
        super().__init__()
        owner = type(self).__name__
        self.directory = pathlib.Path(path(directory, "directory", owner))
        self.x = x
        self.dims = checked_dims(dims, owner)
        low, high = checked_quantiles(quantiles)
        self.quantiles = np.linspace(low, high, count(num_steps, "num_steps", owner, minimum=2))
        self.every = count(every, "every", owner)
        self.formats = checked_formats(formats)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        from keras_vae.models import VAEModel

        if not isinstance(self.model, VAEModel):
            raise TypeError(
                "LatentTraversal expects a VAEModel, which can encode and decode. "
                f"Received: a model of class {type(self.model).__name__}. "
                "Build a VAEModel from its encoder and decoder."
            )
        # What does not fit the model is told now and not after an epoch.
        self._figure("Latent traversal before training")
        self._first_epoch, self._frames = None, []
        self._inline = NotebookPicture()
        self._writer, self._attempts = None, Attempts(self, "picture")

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self._first_epoch is None:
            self._first_epoch = epoch + 1

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if (epoch + 1) % self.every == 0:
            self._draw(epoch + 1)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        frames = self._earlier_frames() + self._frames
        if "gif" in self.formats and frames:
            self._write(self.directory / "traversal.gif", lambda path: save_gif(path, frames))
        if self._writer is not None:
            self._attempts.succeeds(self.directory, self._writer.close)

    def _draw(self, epoch):
        """Draws and writes the picture of this epoch, counted from 1."""
        png = io.BytesIO()
        figure = self._figure(f"Latent traversal after epoch {epoch}")
        figure.savefig(png, format="png", dpi=_DOTS_PER_INCH)
        self._inline.show(png.getvalue())
        digits = max(4, len(str(self.params.get("epochs", 0))))
        path = self.directory / f"traversal_epoch_{epoch:0{digits}d}.png"
        if self._write(path, lambda temporary: temporary.write_bytes(png.getvalue())):
            # A text, which a backup can hold.
            self._frames.append(str(path))
        if "tensorboard" in self.formats:
            summarize = functools.partial(self._summarize, png.getvalue(), epoch)
            self._attempts.succeeds(self.directory, summarize)

    def _figure(self, title):
        return figure_of(traverse(self.model, self.x, self.dims, self.quantiles), title)

    def _earlier_frames(self):
        """Returns the pictures of the epochs before this run, if it resumed one."""
        epochs = {path: _epoch_of(path) for path in self.directory.glob("traversal_epoch_*.png")}
        return sorted(
            (path for path, epoch in epochs.items() if 0 < epoch < (self._first_epoch or 0)),
            key=epochs.get,
        )

    def _write(self, path, write):
        """Returns whether the file could be written; warns the first time that it could not."""

        def write_whole():
            # Of a run that was killed in the middle of this file.
            remove_leftovers(path)
            with written_atomically(path) as temporary:
                write(temporary)

        return self._attempts.succeeds(path, write_whole)

    def _summarize(self, png, epoch):
        if self._writer is None:
            self._writer = tf.summary.create_file_writer(str(self.directory))
        with self._writer.as_default():
            tf.summary.image("latent_traversal", tf.image.decode_png(png)[tf.newaxis], epoch)
        self._writer.flush()


def _epoch_of(path):
    number = re.fullmatch(r"traversal_epoch_(\d+)", path.stem)
    return int(number[1]) if number else 0
