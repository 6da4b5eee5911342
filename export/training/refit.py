"""Fits the last layer of a compact enhancer to a teacher's pictures by least squares: in minutes, without a gradient.

A network that was trained on drawings already finds edges, strokes and textures; what it makes of them is decided by
its last layer. Least squares gives the picture that is nearest to the teacher's on average, and averages have too
little detail: so what is finer than the small picture can show is asked for `DETAIL` times as strong as the teacher
has it.
"""

from collections.abc import Iterator
from itertools import chain

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from export.networks.enhancers import RefitCompact
from export.training.degrade import SCALE
from export.training.lessons import Lessons

DETAIL = 1.5
RIM_PX = 6  # of a lesson, where both networks see past its edge
RIDGE = 1e-3  # of each value's own square
BATCH = 8
SKIP_PX = 5
USED = 0.4  # of the pixels, drawn at random: neighbours say much the same
PIXELS_SEED = 1
EVEN, EVEN_COUNT = 160, 250  # areas of one colour; as how many pixels each counts


@torch.no_grad()
def refit(net: RefitCompact, lessons: Lessons, detail: float = DETAIL) -> RefitCompact:
    """Give `net` the last convolution and `skip` that fit the lessons best; returns it."""
    if not len(lessons.small):
        raise ValueError("There are no lessons.")
    squares = products = torch.zeros((), dtype=torch.float64)
    for seen, wanted in chain(_equations(net, lessons, detail), _even_equations(net)):
        squares, products = squares + (seen.T @ seen).double(), products + (seen.T @ wanted).double()
    solved = torch.linalg.solve(squares + torch.diag(squares.diagonal()) * RIDGE, products).float().T
    last = net.body[-1]
    of_features = last.weight[0].numel()
    last.weight.copy_(solved[:, :of_features].reshape(last.weight.shape))
    net.skip.weight.copy_(solved[:, of_features:-1].reshape(net.skip.weight.shape))
    last.bias.copy_(solved[:, -1])
    return net


def with_more_detail(small: Tensor, large: Tensor, detail: float) -> Tensor:
    """`large` with what `small` can't show made `detail` times as strong; (N, 3, H, W) and (N, 3, 4H, 4W)."""
    base = F.interpolate(small, scale_factor=SCALE, mode="bicubic", align_corners=False)
    added = large - base
    coarse = F.interpolate(F.avg_pool2d(added, SCALE), scale_factor=SCALE, mode="bicubic", align_corners=False)
    return base + coarse + detail * (added - coarse)


def _equations(net: RefitCompact, lessons: Lessons, detail: float) -> Iterator[tuple[Tensor, Tensor]]:
    """For some small pixels what the last layer sees, (P, V), and the 4 × 4 pixels that are wanted, (P, 48)."""
    chance = torch.Generator().manual_seed(PIXELS_SEED)
    for start in range(0, len(lessons.small), BATCH):
        small, large = (_planes(x[start : start + BATCH]) for x in (lessons.small, lessons.large))
        seen = _seen(net, small)
        values, wanted = _pixels(seen), _pixels(F.pixel_unshuffle(with_more_detail(small, large, detail), SCALE))
        used = torch.rand(len(values), generator=chance) < USED
        yield values[used], wanted[used]


def _even_equations(net: RefitCompact) -> Iterator[tuple[Tensor, Tensor]]:
    """The same for even areas of random colours, which have to stay as they are; each counts as EVEN_COUNT pixels."""
    chance = torch.Generator().manual_seed(PIXELS_SEED)
    colours = torch.rand(EVEN, 3, 1, 1, generator=chance) * torch.rand(EVEN, 1, 1, 1, generator=chance).sqrt()
    side = 2 * (len(net.body) // 2 + SKIP_PX) + 1  # so that the middle sees nothing of the edge
    small = colours.expand(-1, -1, side, side)
    middle = np.s_[..., side // 2, side // 2]
    for part in small.split(BATCH):
        seen = _seen(net, part)[middle]
        wanted = part[middle].repeat_interleave(SCALE**2, dim=1)
        yield seen * EVEN_COUNT**0.5, wanted * EVEN_COUNT**0.5


def _seen(net: RefitCompact, small: Tensor) -> Tensor:
    """(N, V, H, W): what the last layer sees around each pixel."""
    seen = torch.cat([_patches(net.features(small), 3), _patches(small, SKIP_PX)], dim=1)
    return torch.cat([seen, torch.ones_like(seen[:, :1])], dim=1)


def _patches(planes: Tensor, side: int) -> Tensor:
    """(N, C · side², H, W): around each pixel."""
    return F.unfold(planes, side, padding=side // 2).reshape(len(planes), -1, *planes.shape[2:])


def _pixels(planes: Tensor) -> Tensor:
    """(P, C) of (N, C, H, W), without the rim."""
    inner = planes[..., RIM_PX:-RIM_PX, RIM_PX:-RIM_PX]
    return inner.permute(0, 2, 3, 1).reshape(-1, planes.shape[1])


def _planes(pictures: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
