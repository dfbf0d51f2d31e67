"""Pictures of traversals, drawn with matplotlib and Pillow."""

import numpy as np

_SERIES_CHANNELS = 4


def figure_of(traversal, title):
    """Returns a matplotlib figure: an image grid, or line plots for vectors and series."""
    # The object interface: pyplot would keep state, and wants the main thread.
    from matplotlib.figure import Figure

    event = traversal.means.shape[3:]
    draw = _draw_images if _is_image(event) else _draw_lines
    figure = Figure(layout="constrained")
    draw(figure, traversal)
    figure.suptitle(title, fontsize=11)
    return figure


def save_gif(path, frames):
    """Writes pictures as an animation, half a second each."""
    from PIL import Image

    images = []
    for frame in frames:
        with Image.open(frame) as image:
            images.append(image.convert("RGB"))
    # Frames of one run may differ by some pixels of labels.
    images = [image.resize(images[0].size) for image in images]
    images[0].save(path, save_all=True, append_images=images[1:], duration=500, loop=0)


def _is_image(event):
    return len(event) == 3 or (len(event) == 2 and event[1] > _SERIES_CHANNELS)


def _row_labels(traversal):
    if traversal.kl is None:
        return [f"latent {dim}" for dim in traversal.dims]
    pairs = zip(traversal.dims, traversal.kl, strict=True)
    return [f"latent {dim}\nKL {kl:.2f} nats" for dim, kl in pairs]


def _column_labels(traversal):
    return [f"{100 * quantile:.0f}%" for quantile in traversal.quantiles]


def _draw_images(figure, traversal):
    num_examples, num_rows, num_steps, height, width, *channels = traversal.means.shape
    figure.set_size_inches(
        1.6 + 0.62 * num_steps * num_examples, 1.1 + 0.62 * num_rows * height / width
    )
    axes = figure.subplots(1, num_examples, squeeze=False, sharey=True)[0]
    pixels = _to_unit(traversal.means)
    for index, axis in enumerate(axes):
        grid = np.moveaxis(pixels[index], 2, 1).reshape(
            num_rows * height, num_steps * width, *channels
        )
        if channels == [1]:
            grid = grid[..., 0]
        elif channels and channels[0] not in (3, 4):
            grid = grid.mean(axis=-1)
        axis.imshow(grid, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axis.set_xticks((np.arange(num_steps) + 0.5) * width - 0.5, _column_labels(traversal))
        axis.set_yticks((np.arange(num_rows) + 0.5) * height - 0.5, _row_labels(traversal))
        axis.tick_params(length=0, labelsize=7)
        axis.set_xlabel("quantile of the prior", fontsize=8)
        if num_examples > 1:
            axis.set_title(f"from example {index + 1}", fontsize=9)
        for edge in axis.spines.values():
            edge.set_visible(False)


def _draw_lines(figure, traversal):
    from matplotlib import colormaps

    num_examples, num_rows, num_steps = traversal.means.shape[:3]
    figure.set_size_inches(2.5 + 3.2 * num_examples, 1.2 + 1.1 * num_rows)
    axes = figure.subplots(num_rows, num_examples, squeeze=False, sharex=True, sharey="row")
    colours = colormaps["viridis"](np.linspace(0, 0.95, num_steps))
    labels = zip(_row_labels(traversal), axes, strict=True)
    for row, (label, row_axes) in enumerate(labels):
        row_axes[0].set_ylabel(label, fontsize=8, rotation=0, ha="right", va="center")
        for index, axis in enumerate(row_axes):
            for step, colour in enumerate(colours):
                name = _column_labels(traversal)[step]
                lines = axis.plot(traversal.means[index, row, step], color=colour, linewidth=1)
                lines[0].set_label(name)
            axis.tick_params(labelsize=7)
            if row == 0 and num_examples > 1:
                axis.set_title(f"from example {index + 1}", fontsize=9)
    for axis in axes[-1]:
        axis.set_xlabel("entry", fontsize=8)
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(
        handles, names, loc="outside right center", fontsize=7, title="quantile\nof the prior",
        title_fontsize=7,
    )  # fmt: skip


def _to_unit(pixels):
    """Returns pixels in [0, 1]: as they are if they lie there, else stretched."""
    pixels = np.nan_to_num(pixels)
    low, high = pixels.min(), pixels.max()
    if low >= 0 and high <= 1:
        return pixels
    return (pixels - low) / max(high - low, 1e-12)
