"""What a camera does to a scene: exposure, casts, focus, motion, noise, sharpening, JPEG, infrared, burnt-in text."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from export.drawing.fields import Field, Rng, soften


@dataclass(frozen=True)
class Camera:
    """The settings and faults of one camera, so that two versions of a scene are taken alike. Sigmas are in pixels."""

    gain: float
    gamma: float
    cast: tuple[float, float, float]
    saturation: float
    focus_sigma: float
    motion_px: int
    motion_angle: float
    noise: float
    sharpen: float
    shrink: float
    jpeg_quality: int
    grey: bool
    text: str
    seed: int


def random_camera(rng: Rng, radius_px: float, mild: bool = False) -> Camera:
    """Mostly decent phone pictures, some dim, blurred, noisy, tinted or compressed; `mild` is a good camera."""
    wild = 0.0 if mild else 1.0
    soft = rng.gamma(1.2, 0.012) * radius_px if rng.random() < 0.7 * wild else 0.0
    cast = np.exp(rng.normal(0, 0.09 if rng.random() < 0.8 else 0.22, 3) * wild)
    dim = rng.uniform(0.3, 0.75) if rng.random() < 0.18 * wild else rng.uniform(0.8, 1.45)
    return Camera(
        gain=float(dim),
        gamma=float(rng.uniform(0.6, 1.2)) if wild else 1.0,
        cast=(float(cast[0]), float(cast[1]), float(cast[2])),
        saturation=float(rng.uniform(0.4, 1.3)) if wild else 1.0,
        focus_sigma=float(min(soft, 12.0) + rng.uniform(0.2, 0.8)),
        motion_px=int(rng.integers(3, 3 + max(1, int(radius_px * 0.15)) + 1)) if rng.random() < 0.08 * wild else 0,
        motion_angle=float(rng.uniform(0, np.pi)),
        noise=float(rng.gamma(1.0, 0.012)) * wild + 0.002,
        sharpen=float(rng.uniform(0.3, 1.5)) if rng.random() < 0.25 * wild else 0.0,
        shrink=_shrink(rng, radius_px) if rng.random() < 0.35 * wild else 1.0,
        jpeg_quality=int(rng.integers(30, 96)) if rng.random() < 0.6 * wild else 0,
        grey=bool(rng.random() < 0.09 * wild),
        text="2026-02-09 16:15" if rng.random() < 0.03 * wild else "",
        seed=int(rng.integers(0, 2**31)),
    )


def _shrink(rng: Rng, radius_px: float) -> float:
    """Mostly somewhat coarse, now and then very coarse; but an iris stays at least 7 pixels wide."""
    coarse = rng.uniform(0.1, 0.4) if rng.random() < 0.35 else rng.uniform(0.35, 0.8)
    return float(min(max(coarse, 3.5 / radius_px), 1.0))


def take(scene: Field, camera: Camera) -> NDArray[np.uint8]:
    """Photograph `scene` (H, W, 3) float 0–1 sRGB; returns (H, W, 3) uint8."""
    height, width = scene.shape[:2]
    saturation = 0.0 if camera.grey else camera.saturation
    colours = saturation * np.eye(3) + (1.0 - saturation) * np.array([0.299, 0.587, 0.114])
    x = cv2.pow(np.clip(scene, 0.0, 1.0), camera.gamma)
    x = cv2.transform(x, (colours * camera.cast * camera.gain).astype(np.float32))
    x = soften(np.asarray(x, np.float32), camera.focus_sigma)
    if camera.motion_px > 1:
        kernel = np.zeros((camera.motion_px, camera.motion_px), np.float32)
        half = camera.motion_px / 2
        dx, dy = np.cos(camera.motion_angle) * half, np.sin(camera.motion_angle) * half
        cv2.line(kernel, (round(half - dx), round(half - dy)), (round(half + dx), round(half + dy)), 1.0)
        x = np.asarray(cv2.filter2D(x, -1, kernel / max(float(kernel.sum()), 1.0)), np.float32)
    if camera.shrink < 1.0:
        small = cv2.resize(x, None, fx=camera.shrink, fy=camera.shrink, interpolation=cv2.INTER_AREA)
        small = small + _grain(camera.seed, small.shape, camera.noise) * np.sqrt(np.clip(small, 0.02, 1))
        x = np.asarray(cv2.resize(small.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC))
    else:
        x = x + _grain(camera.seed, x.shape, camera.noise) * np.sqrt(np.clip(x, 0.02, 1))
    if camera.sharpen:
        x = x + camera.sharpen * (x - soften(np.asarray(x, np.float32), 1.2))
    picture = (np.clip(x, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    if camera.text:
        size = max(0.3, height / 512)
        cv2.putText(picture, camera.text, (int(width * 0.05), int(height * 0.95)), 0, size, (255, 200, 60), 1, 16)
    if camera.jpeg_quality:
        picture = through_jpeg(picture, camera.jpeg_quality)
    return np.ascontiguousarray(picture)


def through_jpeg(picture: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """An sRGB picture after it was written as JPEG and read again."""
    coded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.ascontiguousarray(np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)[..., ::-1])


@lru_cache(maxsize=1)  # a scene is taken twice, with its reflections and without
def _grain(seed: int, shape: tuple[int, ...], strength: float) -> Field:
    """Sensor noise, a little of it blotchy across neighbouring pixels as phones leave it."""
    noise = np.random.default_rng(seed).standard_normal(shape, np.float32)
    if strength > 0.012:
        noise = 0.6 * noise + 0.9 * soften(noise, 0.8)
    return np.asarray(noise * np.float32(strength * 2.0), np.float32)
