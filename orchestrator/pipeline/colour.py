"""Any colours to sRGB: ICC profiles by LittleCMS; codes, gammas and chromaticities by their formulas.

Light is linear, 1.0 is the white of paper: 203 cd/m² in high dynamic range (ITU-R BT.2408).
"""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from orchestrator.pipeline.formats.stored import Chromaticities, Colour

Light = NDArray[np.float32]
Samples = NDArray[np.uint8] | NDArray[np.uint16]

SRGB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
D65, C, E, DCI = (0.3127, 0.3290), (0.310, 0.316), (1 / 3, 1 / 3), (0.314, 0.351)
SRGB = Chromaticities(D65, (0.640, 0.330), (0.300, 0.600), (0.150, 0.060))
PRIMARIES = {  # H.273, table 2
    1: SRGB,
    4: Chromaticities(C, (0.67, 0.33), (0.21, 0.71), (0.14, 0.08)),
    5: Chromaticities(D65, (0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: Chromaticities(D65, (0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    7: Chromaticities(D65, (0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    8: Chromaticities(C, (0.681, 0.319), (0.243, 0.692), (0.145, 0.049)),
    9: Chromaticities(D65, (0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    10: Chromaticities(E, (1.0, 0.0), (0.0, 1.0), (0.0, 0.0)),
    11: Chromaticities(DCI, (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    12: Chromaticities(D65, (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    22: Chromaticities(D65, (0.630, 0.340), (0.295, 0.605), (0.155, 0.077)),
}
# H.273, table 3. Codes 1 and 6 are not among them: encoders write those where nobody said anything, over sRGB's values.
BT2020, GAMMAS = (11, 14, 15), {4: 2.2, 5: 2.8, 8: 1.0}
SMPTE_240M, SMPTE_428, PQ, HLG = 7, 17, 16, 18
WHITE_NITS, HLG_PEAK_NITS, HLG_SYSTEM_GAMMA = 203.0, 1000.0, 1.2
KNEE = 0.9  # tone mapping leaves what is darker alone
BT2020_LUMINANCE = np.array([0.2627, 0.6780, 0.0593], np.float32)
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
STRIP_PX = 2**20


def by_profile(image: Image.Image, profile: bytes) -> Image.Image:
    """An L, RGB or CMYK picture by its ICC profile, as RGB in sRGB; by its values where the profile is broken.

    Grey and ink pictures may have a profile of RGB: editors leave it when they change the picture.
    """
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space.strip() == "RGB":
            image = image.convert("RGB")
        if image.mode == "RGB" and ImageCms.getProfileDescription(source).startswith("sRGB"):
            return image  # most photos
        converted = ImageCms.profileToProfile(image, source, SRGB_PROFILE, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        converted = None
    return image.convert("RGB") if converted is None else converted


def is_srgb(colour: Colour) -> bool:
    """Whether the values are sRGB's, for all that is known; an ICC profile is not looked into."""
    known = colour.transfer in (*BT2020, *GAMMAS, SMPTE_240M, SMPTE_428, PQ, HLG)
    wide = colour.primaries in PRIMARIES and colour.primaries != 1
    measured = colour.gamma is not None or colour.chromaticities is not None
    return not (known or wide or measured or not colour.full_range)


def by_formula(samples: Samples, colour: Colour) -> NDArray[np.uint8]:
    """(H, W, 3) values of 8 or 16 bits to (H, W, 3) uint8 sRGB; brighter than white is tone-mapped."""
    curve = _light_of_values(np.iinfo(samples.dtype).max, colour)
    matrix = _to_srgb_primaries(colour.chromaticities or PRIMARIES.get(colour.primaries or 1, SRGB))
    out, encoded = np.empty(samples.shape, np.uint8), _srgb_of_light()
    rows = max(1, STRIP_PX // samples.shape[1])
    for top in range(0, samples.shape[0], rows):
        light = curve[samples[top : top + rows]]
        if colour.transfer == HLG:
            light = _shown_on_a_display(light)
        light = light @ matrix
        if colour.transfer in (PQ, HLG):
            light = tone_mapped(light)
        out[top : top + rows] = encoded[np.round(np.clip(light, 0, 1) * 65535).astype(np.uint16)]
    return out


def tone_mapped(light: Light) -> Light:
    """Bend what is brighter than the knee towards white, which is reached at infinity; no two brightnesses meet."""
    above = np.maximum(light - KNEE, 0)
    bent: Light = np.minimum(light, KNEE) + (1 - KNEE) * -np.expm1(-above / (1 - KNEE))
    return bent


def _light_of_values(top: int, colour: Colour) -> Light:
    """Light of each value from 0 to `top`."""
    light: NDArray[np.float64]
    v = np.linspace(0, 1, top + 1)
    if not colour.full_range:
        unit = (top + 1) / 256 / top
        v = np.clip((v - 16 * unit) / (219 * unit), 0, 1)
    if colour.transfer in BT2020:
        light = np.where(v < 0.081, v / 4.5, ((v + 0.099) / 1.099) ** (1 / 0.45))
    elif colour.transfer == SMPTE_240M:
        light = np.where(v < 0.0913, v / 4.0, ((v + 0.1115) / 1.1115) ** (1 / 0.45))
    elif colour.transfer == SMPTE_428:
        light = v**2.6 * 52.37 / 48
    elif colour.transfer == PQ:  # SMPTE ST 2084
        root = v ** (1 / 78.84375)
        light = (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (1 / 0.1593017578125)
        light *= 10_000 / WHITE_NITS
    elif colour.transfer == HLG:  # ITU-R BT.2100: light of the scene, 0 to 1
        light = np.where(v <= 0.5, v**2 / 3, (np.exp((v - 0.55991073) / 0.17883277) + 0.28466892) / 12)
    elif gamma := GAMMAS.get(colour.transfer or 0) or colour.gamma:
        light = v**gamma
    else:
        light = np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)
    return light.astype(np.float32)


def _shown_on_a_display(scene: Light) -> Light:
    """HLG's light of a scene to that of a display of 1,000 cd/m²."""
    luminance = scene @ BT2020_LUMINANCE
    gain = luminance ** np.float32(HLG_SYSTEM_GAMMA - 1) * np.float32(HLG_PEAK_NITS / WHITE_NITS)
    display: Light = scene * gain[..., None]
    return display


def _to_srgb_primaries(points: Chromaticities) -> Light:
    """The matrix for row vectors of light; the identity where the chromaticities make no sense."""
    try:
        source, target = _to_xyz(points), _to_xyz(SRGB)
        white, d65 = BRADFORD @ source.sum(1), BRADFORD @ target.sum(1)
        adapted = np.linalg.inv(BRADFORD) @ np.diag(d65 / white) @ BRADFORD @ source
        matrix = (np.linalg.inv(target) @ adapted).T.astype(np.float32)
    except (np.linalg.LinAlgError, ZeroDivisionError):
        matrix = np.full((3, 3), np.nan, np.float32)
    return matrix if np.isfinite(matrix).all() else np.eye(3, dtype=np.float32)


def _to_xyz(points: Chromaticities) -> NDArray[np.float64]:
    """Columns are red, green and blue; their sum is white, with Y = 1."""
    columns = np.array([[x / y, 1, (1 - x - y) / y] if y else [x, y, 1 - x - y] for x, y in _rgb(points)]).T
    x, y = points.white
    white = np.array([x / y, 1, (1 - x - y) / y])
    scaled: NDArray[np.float64] = columns * np.linalg.solve(columns, white)
    return scaled


def _rgb(points: Chromaticities) -> tuple[tuple[float, float], ...]:
    return points.red, points.green, points.blue


def _srgb_of_light() -> NDArray[np.uint8]:
    """SRGB's value for each of 65,536 steps of light."""
    light = np.linspace(0, 1, 65536)
    value = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.round(value * 255).astype(np.uint8)
