"""Trained weights in files."""

from pathlib import Path

import torch
from torch import Tensor

Weights = dict[str, Tensor]


def read_weights(path: Path) -> Weights:
    """The averaged weights that training saved, under the network's own names."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    return {name.removeprefix("module."): value for name, value in state.items() if name != "n_averaged"}


def mean_weights(paths: list[Path]) -> Weights:
    """The mean of several trainings' weights, which does better than each on pictures unlike the training's.

    Raises:
        ValueError: a file is of another network than the first.
    """
    states = [read_weights(path) for path in paths]
    for path, state in zip(paths, states, strict=True):
        if _shapes(state) != _shapes(states[0]):
            raise ValueError(f"{path} is of another network than {paths[0]}.")
    mean = {name: torch.stack([state[name].float() for state in states]).mean(0) for name in states[0]}
    return {name: value.to(states[0][name].dtype) for name, value in mean.items()}


def _shapes(weights: Weights) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in weights.items()}
