"""Pictures of traversals, drawn with matplotlib and Pillow."""

import textwrap

import numpy as np

# Beyond so many columns, two axes are an image and no longer a series of channels.
_MAX_CHANNELS = 4
_CHANNEL_STYLES = ("solid", "dashed", "dotted", "dashdot")
_CELL_INCHES = 0.5
_GAP_BRIGHTNESS = 0.8


def figure_of(traversal, title):
    """Returns a matplotlib figure: an image grid, or line plots for vectors and series.

    Raises:
        ValueError: If a data point has more than three axes.
    """
    # The object interface: pyplot would keep state, and wants the main thread.
    from matplotlib.figure import Figure

    event_shape = traversal.means.shape[3:]
    if len(event_shape) > 3:
        raise ValueError(
            "LatentTraversal expects data points with 1 to 3 axes: vectors, series or images. "
            f"Received: a likelihood with event_shape={event_shape}. Leave the callback out."
        )
    figure = Figure(layout="constrained")
    draw = _draw_images if _is_image(event_shape) else _draw_lines
    draw(figure, traversal)
    figure.suptitle(title, fontsize=11)
    return figure


def save_gif(path, frames):
    """Writes the pictures in the files `frames` as an animation, half a second each."""
    from PIL import Image

    images = []
    for frame in frames:
        with Image.open(frame) as image:
            images.append(image.convert("RGB"))
    # Frames of one run may differ by some pixels of labels.
    images = [image.resize(images[0].size) for image in images]
    images[0].save(path, save_all=True, append_images=images[1:], duration=500, loop=0)


def _is_image(event_shape):
    return len(event_shape) == 3 or (len(event_shape) == 2 and event_shape[1] > _MAX_CHANNELS)


def _row_labels(traversal):
    if traversal.kl is None:
        return [f"latent {dim}" for dim in traversal.dims]
    pairs = zip(traversal.dims, traversal.kl, strict=True)
    return [f"latent {dim}\nKL {kl:.2f} nats" for dim, kl in pairs]


def _column_labels(traversal):
    if traversal.quantiles is None:
        return [f"class {index}" for index in range(traversal.means.shape[2])]
    return [f"{100 * quantile:.3g}%" for quantile in traversal.quantiles]


def _column_meaning(traversal):
    if traversal.quantiles is None:
        return "class that the latent is set to"
    return "quantile of the prior that the latent is set to"


def _panel_title(traversal, index):
    if traversal.kl is None and traversal.quantiles is None:
        return "starting from the prior's\nmost probable classes"
    if traversal.kl is None:
        return "starting from the mean of the prior"
    return f"starting from example {index + 1}"


def _draw_images(figure, traversal):
    means = _to_unit(_to_rgb(traversal.means))
    num_panels, num_rows, num_columns, height, width, _ = means.shape
    cell = _CELL_INCHES * np.array([width, height]) / max(width, height)
    panel_width = max(cell[0] * num_columns, 2.5)
    figure.set_size_inches(1.1 + panel_width * num_panels, 1.0 + cell[1] * num_rows)
    axes = figure.subplots(1, num_panels, squeeze=False, sharey=True)[0]
    for index, axis in enumerate(axes):
        grid, x, y = _tiled(means[index])
        axis.imshow(grid, interpolation="nearest")
        axis.set_xticks(x, _column_labels(traversal))
        axis.set_yticks(y, _row_labels(traversal))
        axis.tick_params(length=0, labelsize=8)
        axis.tick_params("x", labelsize=7)
        axis.set_title(_panel_title(traversal, index), fontsize=9)
        axis.spines[:].set_visible(False)
    figure.supxlabel(_column_meaning(traversal), fontsize=9)


def _tiled(images):
    """Returns one picture with a gap around each image, and where the columns and rows are."""
    num_rows, num_columns, height, width, _ = images.shape
    gap = max(1, round(0.04 * max(height, width)))
    down, right = height + gap, width + gap
    grid = np.full((gap + num_rows * down, gap + num_columns * right, 3), _GAP_BRIGHTNESS)
    for row in range(num_rows):
        for column in range(num_columns):
            top, left = gap + row * down, gap + column * right
            grid[top : top + height, left : left + width] = images[row, column]
    x = gap + np.arange(num_columns) * right + (width - 1) / 2
    y = gap + np.arange(num_rows) * down + (height - 1) / 2
    return grid, x, y


def _to_rgb(images):
    """Returns `(..., height, width, 3)`; channels that are no colours are averaged."""
    if images.ndim == 5:
        images = images[..., np.newaxis]
    if images.shape[-1] == 4:
        images = images[..., :3]
    if images.shape[-1] != 3:
        images = np.repeat(images.mean(axis=-1, keepdims=True), 3, axis=-1)
    return images


def _to_unit(pixels):
    """Returns pixels in [0, 1]: clipped if nearly all lie there, else stretched."""
    pixels = np.nan_to_num(pixels)
    # Quantiles, since a linear decoder may leave the range of the data in some entries.
    low, high = np.quantile(pixels, [0.01, 0.99])
    if low < -0.1 or high > 1.1:
        pixels = (pixels - low) / max(high - low, 1e-12)
    return np.clip(pixels, 0.0, 1.0)


def _draw_lines(figure, traversal):
    from matplotlib import colormaps
    from matplotlib.ticker import MaxNLocator

    num_panels, num_rows, num_columns = traversal.means.shape[:3]
    figure.set_size_inches(2.5 + 3.2 * num_panels, 1.2 + 0.9 * num_rows)
    axes = figure.subplots(num_rows, num_panels, squeeze=False, sharex=True, sharey=True)
    colours = colormaps["coolwarm"](np.linspace(0, 1, num_columns))
    if traversal.quantiles is None:
        # Classes have no order that a scale of colours could show.
        colours = colormaps["tab10"](np.arange(num_columns) % 10)
    for (row, index), axis in np.ndenumerate(axes):
        for column, colour in enumerate(colours):
            lines = axis.plot(traversal.means[index, row, column], color=colour, linewidth=1)
            for line, style in zip(lines, _CHANNEL_STYLES, strict=False):
                line.set_linestyle(style)
        axis.tick_params(labelsize=7)
        axis.spines[["top", "right"]].set_visible(False)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axis, label in zip(axes[:, 0], _row_labels(traversal), strict=True):
        axis.set_ylabel(label, fontsize=8, rotation=0, ha="right", va="center")
    for index, axis in enumerate(axes[0]):
        axis.set_title(_panel_title(traversal, index), fontsize=9)
    for axis in axes[-1]:
        axis.set_xlabel("entry", fontsize=8)
    figure.legend(
        # One line a channel and quantile: the first channel's stand for all.
        axes[0, 0].lines[:: len(axes[0, 0].lines) // num_columns],
        _column_labels(traversal),
        loc="outside right center",
        fontsize=7,
        title="\n".join(textwrap.wrap(_column_meaning(traversal), 16)),
        title_fontsize=7,
    )
