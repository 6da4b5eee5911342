"""The scores of photos by group: which cameras, irises and skins a network does well on, and which it does not."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.table import Table

NO_EYE = "no eye"  # a photo that should be refused


@dataclass(frozen=True)
class Outcome:
    """What became of one photo, given as it is or turned; `iou` is 0 where it was refused, None without a truth."""

    name: str
    turn: int
    refused: bool
    iou: float | None


def read_manifest(path: Path) -> dict[str, list[str]]:
    """The groups of each photo, by its file name.

    Columns `file`; `groups`, separated by ";", or else `kind`; and optionally `hard`, True or False. A group may say
    what kind it is of, as "skin: dark". A photo of kind negative or of group "no eye" should be refused. Hard photos
    make a group of their own and count in no other.
    """
    groups = {}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            named = [group.strip() for group in (row.get("groups") or row.get("kind") or "").split(";")]
            named = [NO_EYE if group == "negative" else group for group in named if group]
            hard = row.get("hard") == "True" and NO_EYE not in named
            groups[row["file"]] = ["hard"] if hard else named
    return groups


def group_table(outcomes: list[Outcome], groups: dict[str, list[str]]) -> Table:
    """Mean and lowest IoU, and how many photos were refused, for each group and turn."""
    turns = sorted({outcome.turn for outcome in outcomes})
    table = Table("group", *(f"{turn * 90}°" for turn in turns), title="IoU mean, lowest (of scored); refused of all")
    names = sorted({group for named in groups.values() for group in named})
    for group in names:
        members = [outcome for outcome in outcomes if group in groups.get(outcome.name, [])]
        if members:
            table.add_row(group, *(_cell([o for o in members if o.turn == turn]) for turn in turns))
    return table


def gaps(outcomes: list[Outcome], groups: dict[str, list[str]]) -> list[str]:
    """For each kind of group ("skin" of "skin: dark"), the groups' mean IoU, and how far the worst is behind.

    Only of photos that were not turned. A group without a truth says nothing.
    """
    members: dict[str, dict[str, list[float]]] = {}
    for outcome in outcomes:
        for group in groups.get(outcome.name, []):
            kind, colon, name = group.partition(": ")
            if colon and outcome.iou is not None and outcome.turn == 0:
                members.setdefault(kind, {}).setdefault(name, []).append(outcome.iou)
    lines = []
    for kind, named in sorted(members.items()):
        means = {name: float(np.mean(ious)) for name, ious in named.items()}
        listed = ", ".join(f"{name} {means[name]:.3f} ({len(named[name])})" for name in sorted(means))
        lines.append(f"{kind}: {listed}; the worst {max(means.values()) - min(means.values()):.3f} behind the best")
    return lines


def _cell(outcomes: list[Outcome]) -> str:
    ious = [outcome.iou for outcome in outcomes if outcome.iou is not None]
    refused = f"{sum(outcome.refused for outcome in outcomes)}/{len(outcomes)} refused"
    return f"{np.mean(ious):.3f}, {min(ious):.2f} ({len(ious)}); {refused}" if ious else refused
