"""The networks. Real-ESRGAN's compact network keeps the official state-dict names, so its weights load unchanged."""

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
    """Ronneberger's U-Net behind a pixel-unshuffle by 2, with a second head: is an open human eye here.

    In: (N, 3, S, S) float, S a multiple of 32, any range (each picture is normalised by its own mean and spread).
    Out: class logits (N, classes, S, S), reflection logits (N, S, S) and presence logits (N, 1).
    """

    def __init__(self, base: int = 16, classes: int = 4) -> None:
        super().__init__()
        widths = [base, base * 2, base * 4, base * 8, base * 16]
        self.stem = nn.PixelUnshuffle(2)
        self.down = nn.ModuleList(_Block(a, b) for a, b in zip([12, *widths[:-1]], widths, strict=True))
        self.up = nn.ModuleList(_Block(a + b, b) for a, b in zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.head = nn.Conv2d(base, (classes + 1) * 4, 1)  # the last map says: a reflection covers this pixel
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


def bicubic_phases() -> Tensor:
    """(48, 1, 5, 5): bicubic ×4 as a grouped convolution before a pixel shuffle, equal to torch's `interpolate`.

    ONNX Runtime's Resize took half of the whole network's time on a CPU; this takes next to none.
    """
    impulse = torch.zeros(1, 1, 9, 9)
    impulse[..., 4, 4] = 1.0
    answer = F.interpolate(impulse, scale_factor=4.0, mode="bicubic", align_corners=False)[0, 0]
    taps = answer.reshape(9, 4, 9, 4)[2:7, :, 2:7].flip(0, 2).permute(1, 3, 0, 2)
    return taps.reshape(16, 1, 5, 5).repeat(3, 1, 1, 1)


class SRVGGNetCompact(nn.Module):
    """Real-ESRGAN's compact ×4 network (Wang et al. 2021; layout and names as in realesr-general-x4v3).

    In: (N, 3, H, W) float 0–1. Out: (N, 3, 4H, 4W). `base` is what the residual is added to: the official weights
    need "nearest"; "bicubic" converges in far fewer steps and has the same parameters.
    """

    def __init__(self, num_feat: int = 64, num_conv: int = 32, base: str = "nearest") -> None:
        super().__init__()
        self.base = base
        self.body = nn.ModuleList([nn.Conv2d(3, num_feat, 3, 1, 1), nn.PReLU(num_feat)])
        for _ in range(num_conv):
            self.body += [nn.Conv2d(num_feat, num_feat, 3, 1, 1), nn.PReLU(num_feat)]
        self.body.append(nn.Conv2d(num_feat, 48, 3, 1, 1))
        self.register_buffer("bicubic", bicubic_phases(), persistent=False)

    def forward(self, picture: Tensor) -> Tensor:
        """Run a batch."""
        return F.pixel_shuffle(self.residual(picture), 4) + self.enlarged(picture)

    def residual(self, picture: Tensor) -> Tensor:
        """(N, 48, H, W): what is added to the enlarged picture, before the pixel shuffle."""
        x = picture
        for layer in self.body:
            x = layer(x)
        return x

    def enlarged(self, picture: Tensor) -> Tensor:
        """(N, 3, 4H, 4W): the base."""
        if self.base == "nearest":
            return F.interpolate(picture, scale_factor=4.0, mode="nearest")
        framed = F.pad(picture, (2, 2, 2, 2), mode="replicate")
        return F.pixel_shuffle(F.conv2d(framed, self.bicubic, groups=3), 4)


class _DenseBlock(nn.Module):
    """Five convolutions, each of which sees what all before it made."""

    def __init__(self, num_feat: int, num_grow_ch: int) -> None:
        super().__init__()
        for n in range(1, 5):
            setattr(self, f"conv{n}", nn.Conv2d(num_feat + (n - 1) * num_grow_ch, num_grow_ch, 3, 1, 1))
        self.conv5 = nn.Conv2d(num_feat + 4 * num_grow_ch, num_feat, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Run a batch."""
        seen = x
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            seen = torch.cat([seen, F.leaky_relu(conv(seen), 0.2)], dim=1)
        return x + 0.2 * self.conv5(seen)


class _RRDB(nn.Module):
    """Residual in residual dense block."""

    def __init__(self, num_feat: int, num_grow_ch: int) -> None:
        super().__init__()
        self.rdb1 = _DenseBlock(num_feat, num_grow_ch)
        self.rdb2 = _DenseBlock(num_feat, num_grow_ch)
        self.rdb3 = _DenseBlock(num_feat, num_grow_ch)

    def forward(self, x: Tensor) -> Tensor:
        """Run a batch."""
        return x + 0.2 * self.rdb3(self.rdb2(self.rdb1(x)))


class RRDBNet(nn.Module):
    """ESRGAN's ×4 generator (Wang et al. 2018) with the layout and names of RealESRGAN_x4plus.

    In: (N, 3, H, W) float 0–1. Out: (N, 3, 4H, 4W).
    """

    def __init__(self, num_feat: int = 64, num_block: int = 23, num_grow_ch: int = 32) -> None:
        super().__init__()
        self.conv_first = nn.Conv2d(3, num_feat, 3, 1, 1)
        self.body = nn.Sequential(*(_RRDB(num_feat, num_grow_ch) for _ in range(num_block)))
        self.conv_body = nn.Conv2d(num_feat, num_feat, 3, 1, 1)
        self.conv_up1 = nn.Conv2d(num_feat, num_feat, 3, 1, 1)
        self.conv_up2 = nn.Conv2d(num_feat, num_feat, 3, 1, 1)
        self.conv_hr = nn.Conv2d(num_feat, num_feat, 3, 1, 1)
        self.conv_last = nn.Conv2d(num_feat, 3, 3, 1, 1)

    def forward(self, picture: Tensor) -> Tensor:
        """Run a batch."""
        x = self.conv_first(picture)
        x = x + self.conv_body(self.body(x))
        for conv in (self.conv_up1, self.conv_up2):
            x = F.leaky_relu(conv(F.interpolate(x, scale_factor=2.0, mode="nearest")), 0.2)
        return self.conv_last(F.leaky_relu(self.conv_hr(x), 0.2))
