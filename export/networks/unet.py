"""The segmentation network."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


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

    In: (N, 3, S, S) float, S a multiple of 32, any range (each picture is normalised by its own mean and spread).
    Out: class logits (N, classes, S, S), reflection logits (N, S, S) and presence logits (N, 1).
    """

    def __init__(self, base: int = 16, classes: int = 4) -> None:
        super().__init__()
        widths = [base, base * 2, base * 4, base * 8, base * 16]
        self.stem = nn.PixelUnshuffle(2)
        self.down = nn.ModuleList(_Block(a, b) for a, b in zip([12, *widths[:-1]], widths, strict=True))
        self.up = nn.ModuleList(_Block(a + b, b) for a, b in zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.head = nn.Conv2d(base, (classes + 1) * 4, 1)  # the last map is of reflections
        self.presence = nn.Sequential(nn.Linear(widths[-1] * 2, 64), nn.ReLU(inplace=True), nn.Linear(64, 1))

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Run a batch."""
        mean = picture.mean((1, 2, 3), keepdim=True)
        spread = (picture - mean).pow(2).mean((1, 2, 3), keepdim=True).sqrt()
        x = self.stem((picture - mean) / (spread + 1e-3 * 255))
        skips = []
        for level, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if level else x)
            skips.append(x)
        presence = self.presence(torch.cat([x.mean((2, 3)), x.amax((2, 3))], dim=1))
        for block, skip in zip(self.up, skips[-2::-1], strict=True):
            x = block(torch.cat([F.interpolate(x, scale_factor=2.0, mode="nearest"), skip], dim=1))
        maps = F.pixel_shuffle(self.head(x), 2)
        return maps[:, :-1], maps[:, -1], presence
