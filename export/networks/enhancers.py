"""The ×4 networks of Real-ESRGAN, with its state-dict names, so that the published weights load unchanged."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def bicubic_phases() -> Tensor:
    """(48, 1, 5, 5): bicubic ×4 as a grouped convolution before a pixel shuffle, equal to torch's `interpolate`.

    ONNX Runtime's Resize took half of the network's time on a CPU; this takes next to none.
    """
    impulse = torch.zeros(1, 1, 9, 9)
    impulse[..., 4, 4] = 1.0
    answer = F.interpolate(impulse, scale_factor=4.0, mode="bicubic", align_corners=False)[0, 0]
    taps = answer.reshape(9, 4, 9, 4)[2:7, :, 2:7].flip(0, 2).permute(1, 3, 0, 2)
    return taps.reshape(16, 1, 5, 5).repeat(3, 1, 1, 1)


def nearest_phases() -> Tensor:
    """(48, 3, 5, 5): nearest-neighbour ×4 as a convolution before a pixel shuffle."""
    taps = torch.zeros(48, 3, 5, 5)
    for channel in range(3):
        taps[16 * channel : 16 * (channel + 1), channel, 2, 2] = 1.0
    return taps


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
        return self.body[-1](self.features(picture))

    def features(self, picture: Tensor) -> Tensor:
        """(N, num_feat, H, W): what the last convolution gets."""
        x = picture
        for layer in self.body[:-1]:
            x = layer(x)
        return x

    def enlarged(self, picture: Tensor) -> Tensor:
        """(N, 3, 4H, 4W): the base."""
        if self.base == "nearest":
            return F.interpolate(picture, scale_factor=4.0, mode="nearest")
        framed = F.pad(picture, (2, 2, 2, 2), mode="replicate")
        return F.pixel_shuffle(F.conv2d(framed, self.bicubic, groups=3), 4)


class RefitCompact(SRVGGNetCompact):
    """The compact network with a last convolution that also sees the features half-way, beside a 5 × 5 convolution of
    the picture itself, `skip`, in the base's place. It begins with what SRVGGNetCompact does with a nearest base.
    """

    def __init__(self, num_feat: int = 64, num_conv: int = 16) -> None:
        super().__init__(num_feat, num_conv, "linear")
        self._middle = num_conv // 2 * 2 + 1
        self.body[-1] = nn.Conv2d(2 * num_feat, 48, 3, 1, 1)
        self.skip = nn.Conv2d(3, 48, 5, bias=False)
        self.skip.weight.data = nearest_phases()

    @classmethod
    def of(cls, net: SRVGGNetCompact) -> "RefitCompact":
        """A network that answers as `net`, whose base is "nearest"."""
        last = net.body[-1]
        refit = cls(last.in_channels, len(net.body) // 2 - 1)
        nn.init.zeros_(refit.body[-1].weight)
        refit.body[-1].weight.data[:, last.in_channels :] = last.weight
        refit.body[-1].bias.data = last.bias.detach().clone()
        refit.body[:-1].load_state_dict(net.body[:-1].state_dict())
        refit.eval()
        return refit

    def features(self, picture: Tensor) -> Tensor:
        """(N, 2 · num_feat, H, W): half-way, and at the end."""
        x = picture
        for n, layer in enumerate(self.body[:-1]):
            x = layer(x)
            if n == self._middle:
                middle = x
        return torch.cat([middle, x], dim=1)

    def enlarged(self, picture: Tensor) -> Tensor:
        """(N, 3, 4H, 4W): the base."""
        return F.pixel_shuffle(self.skip(F.pad(picture, (2, 2, 2, 2), mode="replicate")), 4)


class _DenseBlock(nn.Module):
    """Five convolutions, each of which gets the outputs of all before it."""

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
