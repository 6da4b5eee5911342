"""The segmentation network."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

VIEWS = 6  # channels of `normalised`
DARKEST = 4.0  # grey levels: keeps the noise of black out of the logarithm


def normalised(picture: Tensor) -> Tensor:
    """(N, 3, S, S) 0–255 → (N, VIEWS, S, S): the picture, then its logarithm, each channel about 0.

    The mean of each channel goes, and with it a cast; the spread is half the channel's own, half that of all, so that a
    channel that shows next to nothing (blue by candlelight) is not blown up to its noise. In the logarithm a limbus has
    the same contrast in a dark corner as in the light.
    """
    return torch.cat([_centred(picture, 2.5), _centred(torch.log(picture + DARKEST), 0.05)], dim=1)


def _centred(x: Tensor, least: float) -> Tensor:
    x = x - x.mean((2, 3), keepdim=True)
    variance = x.pow(2).mean((2, 3), keepdim=True)
    return x / ((variance + variance.mean(1, keepdim=True)).mul(0.5).sqrt() + least)


class _Block(nn.Sequential):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class UNet(nn.Module):
    """Ronneberger's U-Net behind a pixel-unshuffle by 2, with a second head for whether there is an open human eye.

    In: (N, 3, S, S) float 0–255, S a multiple of 32; `normalised` takes brightness, contrast and cast out of it.
    Out: class logits (N, classes, S, S), reflection logits (N, S, S) and presence logits (N, 1).
    """

    def __init__(self, base: int = 16, classes: int = 4) -> None:
        super().__init__()
        widths = [base, base * 2, base * 4, base * 8, base * 16]
        self.stem = nn.PixelUnshuffle(2)
        self.down = nn.ModuleList(_Block(a, b) for a, b in zip([4 * VIEWS, *widths[:-1]], widths, strict=True))
        self.up = nn.ModuleList(_Block(a + b, b) for a, b in zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.head = nn.Conv2d(base, (classes + 1) * 4, 1)  # the last map is of reflections
        self.presence = nn.Sequential(nn.Linear(widths[-1] * 2, 64), nn.ReLU(inplace=True), nn.Linear(64, 1))

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Run a batch."""
        x = self.stem(normalised(picture))
        skips = []
        for level, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if level else x)
            skips.append(x)
        presence = self.presence(torch.cat([x.mean((2, 3)), x.amax((2, 3))], dim=1))
        for block, skip in zip(self.up, skips[-2::-1], strict=True):
            x = block(torch.cat([F.interpolate(x, scale_factor=2.0, mode="nearest"), skip], dim=1))
        maps = F.pixel_shuffle(self.head(x), 2)
        return maps[:, :-1], maps[:, -1], presence
