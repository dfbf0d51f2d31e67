"""Pictures of which every factor is known: a shape, its size, its direction and its place.

Rendered here; they are not the pictures of dSprites.
"""

import itertools

import numpy as np

SIZE, SUPERSAMPLING = 32, 3
FACTORS = ("shape", "scale", "rotation", "x", "y")
SCALES, NUM_ROTATIONS = (3.5, 4.5, 5.5, 6.5), 8
# Pixels from the middle: no shape leaves the picture.
FARTHEST = 7


def ellipse(x, y):
    return x**2 + (2 * y) ** 2 < 1


def triangle(x, y):
    return (y > -0.5) & (np.abs(x) < 0.5 - y / 2)


def corner(x, y):
    return (np.maximum(np.abs(x), np.abs(y)) < 0.8) & (np.minimum(x, y) < -0.2)


SHAPES = (ellipse, triangle, corner)


def sprites():
    """Returns the pictures, (N, 32 * 32) in [0, 1], and their factors, (N, 5) integers."""
    rotations = np.arange(NUM_ROTATIONS) * 2 * np.pi / NUM_ROTATIONS
    places = range(-FARTHEST, FARTHEST + 1, 2)
    pictures, factors = [], []
    for form in itertools.product(*map(enumerate, (SHAPES, SCALES, rotations))):
        picture = _in_the_middle(*(value for _, value in form))
        for (x, across), (y, down) in itertools.product(enumerate(places), repeat=2):
            pictures.append(np.roll(picture, (down, across), axis=(0, 1)).ravel())
            factors.append([*(index for index, _ in form), x, y])
    return np.stack(pictures), np.array(factors, dtype="int32")


def _in_the_middle(shape, scale, rotation):
    if shape is ellipse:  # After half a turn its pictures would come again.
        rotation = rotation / 2
    size = SIZE * SUPERSAMPLING
    down, across = ((np.mgrid[:size, :size] + 0.5) / SUPERSAMPLING - SIZE / 2) / scale
    cos, sin = np.cos(rotation), np.sin(rotation)
    inside = shape(cos * across + sin * down, cos * down - sin * across)
    blocks = inside.reshape(SIZE, SUPERSAMPLING, SIZE, SUPERSAMPLING)
    return blocks.mean(axis=(1, 3), dtype="float32")
