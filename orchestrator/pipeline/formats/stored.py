"""How a picture is stored: its size, which way up it lies, and what its numbers mean."""

from dataclasses import dataclass
from typing import Literal

Orientation = Literal[1, 2, 3, 4, 5, 6, 7, 8]
SIDEWAYS = (5, 6, 7, 8)  # the orientations that swap width and height


@dataclass(frozen=True)
class Frame:
    """Size in pixels as stored, the part that is shown (left, top, right, bottom), then EXIF's orientation."""

    width: int
    height: int
    orientation: Orientation = 1
    crop: tuple[int, int, int, int] | None = None

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height of the picture as it is shown."""
        left, top, right, bottom = self.crop or (0, 0, self.width, self.height)
        width, height = right - left, bottom - top
        return (height, width) if self.orientation in SIDEWAYS else (width, height)


@dataclass(frozen=True)
class Chromaticities:
    """CIE x and y of a colour space's white, red, green and blue."""

    white: tuple[float, float]
    red: tuple[float, float]
    green: tuple[float, float]
    blue: tuple[float, float]


@dataclass(frozen=True)
class Colour:
    """What a picture's numbers mean: an ICC profile, or codes, or a gamma and chromaticities. Nothing at all is sRGB.

    `primaries` and `transfer` are the codes of ITU-T H.273. A value v in 0–1 with a gamma g is v ** g of light.
    """

    icc: bytes | None = None
    primaries: int | None = None
    transfer: int | None = None
    full_range: bool = True
    gamma: float | None = None
    chromaticities: Chromaticities | None = None


ADOBE_RGB = Colour(
    gamma=2.19921875,
    chromaticities=Chromaticities((0.3127, 0.3290), (0.64, 0.33), (0.21, 0.71), (0.15, 0.06)),
)
