"""What changes in a drawn picture each time that it is trained on."""

import cv2
import numpy as np
from numpy.typing import NDArray

from export.drawing.camera import through_jpeg
from export.training.dataset import classes

Picture = NDArray[np.uint8]
Rng = np.random.Generator

SURFACES = (0.9, 0.35, 0.2, 0.5)  # how strongly a texture may change background, iris, pupil, sclera
COARSE_ZOOM = 0.7  # below it the picture is blurred before it is made smaller


def augment(rng: Rng, image: Picture, labels: Picture, side: int) -> tuple[Picture, Picture]:
    """Flip, zoom, turn, shift and re-light one picture; its labels follow. Both come out `side` pixels large."""
    size = image.shape[0]
    zoom = side / size * np.exp(rng.uniform(-0.18, 0.25))
    matrix = cv2.getRotationMatrix2D((size / 2, size / 2), rng.normal(0, 9), zoom)
    matrix[:, 2] += side / 2 - size / 2 + rng.normal(0, 0.04, 2) * side
    if rng.random() < 0.5:
        matrix[0] = -matrix[0]
        matrix[0, 2] += side - 1
    if zoom < COARSE_ZOOM:
        image = np.asarray(cv2.blur(image, (2, 2)), np.uint8)
    size_px, border = (side, side), cv2.BORDER_REFLECT_101
    moved = cv2.warpAffine(image, matrix, size_px, flags=cv2.INTER_LINEAR, borderMode=border)
    moved_labels = cv2.warpAffine(labels, matrix, size_px, flags=cv2.INTER_NEAREST, borderMode=border)
    return np.asarray(cv2.LUT(moved, _tone_curves(rng)), np.uint8), np.asarray(moved_labels, np.uint8)


def _tone_curves(rng: Rng) -> Picture:
    """(1, 256, 3) a table for cv2.LUT: a random gamma and gain for each channel."""
    gamma = np.exp(rng.normal(0, 0.2, (1, 3)) * [0.3, 0.3, 0.3] + rng.normal(0, 0.2))
    ramp = (np.arange(256) / 255.0)[:, None] ** gamma
    return np.clip(ramp * np.exp(rng.normal(0, 0.08, 3)) * 255, 0, 255).astype(np.uint8)[None]


def disturb(rng: Rng, image: Picture, labels: Picture, textures: Picture) -> Picture:
    """Give a picture other surfaces, light and camera faults, so that the network goes by shape and not by surface."""
    light = _light(rng, labels, textures)
    lit = np.asarray(image * np.exp(light), np.float32)
    if rng.random() < 0.25:
        lit = np.asarray(cv2.GaussianBlur(lit, (0, 0), rng.uniform(0.4, 2.5)), np.float32)
    if rng.random() < 0.25:
        lit = lit + rng.standard_normal(lit.shape, np.float32) * np.float32(rng.uniform(1, 14))
    out = np.clip(lit, 0, 255).astype(np.uint8)
    return through_jpeg(out, int(rng.integers(15, 80))) if rng.random() < 0.25 else out


def _light(rng: Rng, labels: Picture, textures: Picture) -> NDArray[np.float32]:
    """(S, S, 3) the logarithm of a factor: a texture on each surface, and lamps of several colours."""
    side = labels.shape[0]
    light = np.zeros((side, side, 3), np.float32)
    if rng.random() < 0.6:
        span = int(rng.integers(48, textures.shape[1]))
        texture = cv2.resize(textures[rng.integers(len(textures)), :span, :span], (side, side))
        strength = rng.uniform(0, SURFACES).astype(np.float32)[classes(labels)]
        light += cv2.GaussianBlur(strength, (0, 0), 2)[..., None] * (texture / np.float32(127.5) - 1)
    if rng.random() < 0.4:
        lamps = rng.normal(0, rng.uniform(0, 0.7), (3, 3, 1)) + rng.normal(0, rng.uniform(0, 0.25), (3, 3, 3))
        light += cv2.resize(lamps.astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC)
    return light
