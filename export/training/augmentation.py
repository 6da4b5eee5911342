"""What changes in a drawn picture each time that it is trained on: its place in the frame, its surfaces, its light."""

import cv2
import numpy as np
from numpy.typing import NDArray

from export.drawing.camera import through_jpeg
from export.training.dataset import BACKGROUND, IRIS, PUPIL, classes

Picture = NDArray[np.uint8]
Rng = np.random.Generator

SURFACES = (0.9, 0.35, 0.2, 0.5)  # how strongly a texture may change background, iris, pupil, sclera
COARSE_ZOOM = 0.7  # below it the picture is blurred before it is made smaller
QUARTER_TURNS, FRAMED, CUT_OFF = 0.35, 0.4, 0.15  # shares
LEAST_IRIS = 0.5  # of its pixels, that a cut leaves
BORDERS = (cv2.BORDER_REPLICATE, cv2.BORDER_REPLICATE, cv2.BORDER_REFLECT_101, cv2.BORDER_CONSTANT)


def augment(rng: Rng, image: Picture, labels: Picture, side: int) -> tuple[Picture, Picture]:
    """Flip, zoom, turn, shift and frame one picture; its labels follow. Both come out `side` pixels large."""
    size = image.shape[0]
    zoom = side / size * np.exp(rng.uniform(-0.18, 0.25))
    turn = 90.0 * rng.integers(1, 4) if rng.random() < QUARTER_TURNS else 0.0
    matrix = cv2.getRotationMatrix2D((size / 2, size / 2), turn + rng.normal(0, 13), zoom)
    matrix[:, 2] += side / 2 - size / 2 + rng.normal(0, 0.04, 2) * side
    if rng.random() < 0.5:
        matrix[0] = -matrix[0]
        matrix[0, 2] += side - 1
    if zoom < COARSE_ZOOM:
        image = np.asarray(cv2.blur(image, (2, 2)), np.uint8)
    size_px, border = (side, side), cv2.BORDER_REFLECT_101
    moved = np.asarray(cv2.warpAffine(image, matrix, size_px, flags=cv2.INTER_LINEAR, borderMode=border), np.uint8)
    moved_labels = cv2.warpAffine(labels, matrix, size_px, flags=cv2.INTER_NEAREST, borderMode=border)
    return _framed(rng, moved, np.asarray(moved_labels, np.uint8))


def _framed(rng: Rng, image: Picture, labels: Picture) -> tuple[Picture, Picture]:
    """Now and then the edge of the photo is inside the picture, and may cut the iris: beyond it is what fills borders
    when the service cuts a square that reaches over the photo.
    """
    if rng.random() > FRAMED:
        return image, labels
    side = len(labels)
    deepest = 0.45 if rng.random() < CUT_OFF / FRAMED else 0.25
    pads = (side * rng.uniform(0, deepest, 4) * (rng.random(4) < 0.5)).astype(int)
    if rng.random() < 0.5:  # a wide photo in its enclosing square
        pads[2:] = pads[:2] = int(side * rng.uniform(0.1, 0.25))
        pads[2 * int(rng.integers(2)) :][:2] = 0
    top, bottom, left, right = map(int, pads)
    within = slice(top, side - bottom), slice(left, side - right)
    cut = np.full_like(labels, BACKGROUND)
    cut[within] = labels[within]
    if _iris_pixels(cut) < LEAST_IRIS * _iris_pixels(labels):
        return image, labels
    border = int(rng.choice(BORDERS))
    filled = cv2.copyMakeBorder(image[within], top, bottom, left, right, border, value=rng.uniform(0, 255, 3).tolist())
    return np.asarray(filled, np.uint8), cut


def _iris_pixels(labels: Picture) -> int:
    of = classes(labels)
    return int(np.count_nonzero((of == IRIS) | (of == PUPIL)))


def relight(rng: Rng, image: Picture) -> Picture:
    """The picture as another camera would have exposed, balanced and processed it: from a little to beyond recognition
    of colours, so that the network goes by what is left.
    """
    strong = rng.random() < 0.5
    gamma = np.exp(rng.normal(0, 0.2 + 0.3 * strong) + rng.normal(0, 0.06 + 0.1 * strong, 3))
    gain = np.exp(rng.normal(0, 0.08 + 0.14 * strong, 3) + strong * rng.normal(0, 0.2))
    ramp = (np.arange(256) / 255.0)[:, None] ** gamma * gain
    if strong:  # haze and little contrast
        low, high = rng.uniform(0, 0.25) * rng.random() + rng.uniform(0, 0.06, 3), rng.uniform(0.3, 1.0)
        ramp = low + ramp * high
    lit = np.asarray(cv2.LUT(image, np.clip(ramp * 255, 0, 255).astype(np.uint8)[None]), np.uint8)
    dice = rng.random()
    if dice < 0.3:
        lit = _recoloured(rng, lit)
    elif dice < 0.4:
        lit = _stretched(rng, lit)
    elif dice < 0.46:
        lit = _equalized(rng, lit)
    return lit


def _recoloured(rng: Rng, image: Picture) -> Picture:
    """Greyer down to grey, gaudier, or with channels that leak into one another."""
    grey = np.array([0.299, 0.587, 0.114])
    saturation = rng.choice([0.0, rng.uniform(0.0, 1.0), rng.uniform(1.0, 2.0)])
    colours = saturation * np.eye(3) + (1 - saturation) * grey + rng.normal(0, 0.08, (3, 3))
    return np.asarray(np.clip(cv2.transform(image.astype(np.float32), colours), 0, 255), np.uint8)


def _stretched(rng: Rng, image: Picture) -> Picture:
    """Each channel from its darkest to its brightest, as "auto levels" does it."""
    low, high = np.quantile(image[::4, ::4].reshape(-1, 3), [0.01, 0.99], axis=0)
    levels = (np.arange(256)[:, None] - low) / np.maximum(high - low, 8)
    ramp = np.clip(levels, 0, 1) ** rng.uniform(0.5, 1.2) * 255
    return np.asarray(cv2.LUT(image, ramp.astype(np.uint8)[None]), np.uint8)


def _equalized(rng: Rng, image: Picture) -> Picture:
    """Contrast raised in each place by itself, as phones do it at night."""
    lab = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2LAB), np.uint8)
    tiles = int(rng.integers(2, 6))
    lab[..., 0] = cv2.createCLAHE(rng.uniform(1.0, 3.0), (tiles, tiles)).apply(np.ascontiguousarray(lab[..., 0]))
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), np.uint8)


def disturb(rng: Rng, image: Picture, labels: Picture, textures: Picture) -> Picture:
    """Give a picture other surfaces, light and camera faults, so that the network goes by shape and not by surface."""
    light = _light(rng, labels, textures)
    lit = np.asarray(image * np.exp(light), np.float32)
    if rng.random() < 0.25:
        lit = np.asarray(cv2.GaussianBlur(lit, (0, 0), rng.uniform(0.4, 2.5)), np.float32)
    elif rng.random() < 0.1:
        lit = _shaken(rng, lit)
    if rng.random() < 0.25:
        lit = lit + rng.standard_normal(lit.shape, np.float32) * np.float32(rng.uniform(1, 14))
    out = np.clip(lit, 0, 255).astype(np.uint8)
    if rng.random() < 0.1:  # what phones make of noise
        out = np.asarray(cv2.medianBlur(out, int(rng.choice([3, 5]))), np.uint8)
    return through_jpeg(out, int(rng.integers(15, 80))) if rng.random() < 0.25 else out


def _shaken(rng: Rng, image: NDArray[np.float32]) -> NDArray[np.float32]:
    length, angle = int(rng.integers(3, 14)), rng.uniform(0, np.pi)
    kernel = np.zeros((length, length), np.float32)
    middle = (length - 1) / 2
    reach = np.array([np.cos(angle), np.sin(angle)]) * middle
    ends = np.round(np.array([middle - reach, middle + reach])).astype(int).tolist()
    cv2.line(kernel, ends[0], ends[1], 1.0)
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), np.float32)


def _light(rng: Rng, labels: Picture, textures: Picture) -> NDArray[np.float32]:
    """(S, S, 3) the logarithm of a factor: a texture on each surface, and lamps of several colours."""
    side = labels.shape[0]
    light = np.zeros((side, side, 3), np.float32)
    if rng.random() < 0.5:
        span = int(rng.integers(48, textures.shape[1]))
        texture = cv2.resize(textures[rng.integers(len(textures)), :span, :span], (side, side))
        strength = rng.uniform(0, SURFACES).astype(np.float32)[classes(labels)]
        light += cv2.GaussianBlur(strength, (0, 0), 2)[..., None] * (texture / np.float32(127.5) - 1)
    if rng.random() < 0.4:
        lamps = rng.normal(0, rng.uniform(0, 0.7), (3, 3, 1)) + rng.normal(0, rng.uniform(0, 0.25), (3, 3, 3))
        light += cv2.resize(lamps.astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC)
    return light
