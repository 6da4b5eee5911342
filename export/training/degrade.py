"""Makes a sharp picture a quarter as large the way cameras, apps and messengers do: Real-ESRGAN's degradation.

Source: Wang et al. 2021, "Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data", section 3:
blur, resize, noise and JPEG, twice over ("high order"), with ringing at the end. A strength of 1 has their ranges; what
the enhancer gets is mostly a crop of a good photo, so training draws weaker ones more often.
"""

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from export.drawing.camera import through_jpeg

SCALE = 4
KERNELS = (cv2.INTER_AREA, cv2.INTER_CUBIC, cv2.INTER_LINEAR)
CLEAN, ONE_ROUND = 0.3, 0.4  # shares; the rest gets two rounds
WEAKEST = 0.06
PUBLISHED = 1.0
BLUR_PX, NOISE, POISSON, WORST_JPEG, BEST_JPEG = 3.0, 30.0, 3.0, 30, 97  # at strength 1; JPEG quality falls with it

Picture = NDArray[np.float32]
Rng = np.random.Generator


def shrink(sharp: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A quarter as large by antialiased bicubic resampling (Pillow's, a = -0.5), nothing else."""
    size = sharp.shape[1] // SCALE, sharp.shape[0] // SCALE
    return np.array(Image.fromarray(sharp).resize(size, Image.Resampling.BICUBIC), np.uint8)


def degrade(rng: Rng, sharp: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A quarter as large, (H / 4, W / 4, 3): only shrunk, or degraded once or twice, at random."""
    dice = rng.random()
    if dice < CLEAN:
        return shrink(sharp)
    strength = float(np.exp(rng.uniform(np.log(WEAKEST), 0.0)))
    return high_order(rng, sharp, strength, rounds=1 if dice < CLEAN + ONE_ROUND else 2)


def high_order(rng: Rng, sharp: NDArray[np.uint8], strength: float = PUBLISHED, rounds: int = 2) -> NDArray[np.uint8]:
    """Blur, resize, noise and JPEG `rounds` times, none stronger than `strength`, 0–1; then a quarter of the side."""
    size = sharp.shape[1] // SCALE, sharp.shape[0] // SCALE
    x: Picture = sharp.astype(np.float32)
    for turn in range(rounds):
        last = turn == rounds - 1
        x = _blur(rng, x, (0.5 + 0.5 * strength) * BLUR_PX / (1 + turn))
        if last:
            target = size
        else:
            factor = float(np.exp(rng.uniform(np.log(0.3), np.log(1.1))))
            target = max(round(sharp.shape[1] * factor), size[0]), max(round(sharp.shape[0] * factor), size[1])
        x = np.asarray(cv2.resize(x, target, interpolation=int(rng.choice(KERNELS))), np.float32)
        x = _noise(rng, x, strength)
        if rng.random() < 0.6:
            worst = round(BEST_JPEG - (BEST_JPEG - WORST_JPEG) * strength**0.5)
            x = through_jpeg(_bytes(x), int(rng.integers(worst, BEST_JPEG))).astype(np.float32)
        if last and rng.random() < 0.2:
            x = _ringing(rng, x)
    return _bytes(x)


def _bytes(x: Picture) -> NDArray[np.uint8]:
    return np.ascontiguousarray(np.clip(x + 0.5, 0, 255).astype(np.uint8))


def _blur(rng: Rng, x: Picture, strongest_px: float) -> Picture:
    """Gaussian, often longer in one direction and turned; three times in ten none."""
    if rng.random() < 0.3:
        return x
    sigma = rng.uniform(0.2, strongest_px, 2)
    radius = int(np.ceil(3 * sigma.max()))
    ys, xs = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    angle = rng.uniform(0, np.pi)
    u, v = xs * np.cos(angle) + ys * np.sin(angle), ys * np.cos(angle) - xs * np.sin(angle)
    kernel = np.exp(-0.5 * ((u / sigma[0]) ** 2 + (v / sigma[1]) ** 2))
    return np.asarray(cv2.filter2D(x, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT_101), np.float32)


def _noise(rng: Rng, x: Picture, strength: float) -> Picture:
    """Gaussian, or Poisson that grows with the light; in colour or grey; three times in ten none."""
    if rng.random() < 0.3:
        return x
    grain = rng.standard_normal((*x.shape[:2], 1 if rng.random() < 0.4 else 3), np.float32)
    if rng.random() < 0.5:
        return np.asarray(x + grain * (strength * rng.uniform(1.0, NOISE)), np.float32)
    scale = strength * rng.uniform(0.05, POISSON)  # photons: the variance grows with the light
    return np.asarray(x + grain * np.sqrt(np.maximum(x, 0)) * scale, np.float32)


def _ringing(rng: Rng, x: Picture) -> Picture:
    """A Gaussian-windowed sharpening that overshoots, as cameras and sinc filters leave it."""
    soft = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.6, 1.4))
    return np.asarray(x + rng.uniform(0.2, 0.8) * (x - soft), np.float32)
