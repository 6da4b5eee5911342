"""Ensembles for first pictures: one for each pair of versions that a job may meet."""

import asyncio
from collections.abc import Sequence

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from orchestrator.inference.protocol import ENHANCER, PREVIEW, SEGMENTER, preview_ensemble
from orchestrator.publishing.publisher import Publisher


async def add_ensembles(publisher: Publisher, model: str, version: int) -> list[str]:
    """An ensemble for the new version with each version of the other network that jobs may meet it with."""
    other = ENHANCER if model == SEGMENTER else SEGMENTER
    config = await publisher.repository.config(PREVIEW)
    shipped = versions_named(config)
    made = []
    try:
        for beside in await publisher.repository.versions(other):
            versions = {model: version, other: beside}
            if versions == shipped:
                continue
            name = preview_ensemble(str(versions[SEGMENTER]), str(versions[ENHANCER]))
            made.append(name)
            await publisher.repository.place_model(name, _ensemble_of(config, name, versions))
            await publisher.control.reload(name)
    except BaseException:
        await asyncio.shield(remove_ensembles(publisher, made))
        raise
    return made


def versions_named(config: bytes) -> dict[str, int]:
    """The networks' versions that an ensemble names."""
    parsed = text_format.Parse(config.decode(), model_config_pb2.ModelConfig())
    steps = parsed.ensemble_scheduling.step
    return {step.model_name: step.model_version for step in steps if step.model_version > 0}


def _ensemble_of(config: bytes, name: str, versions: dict[str, int]) -> bytes:
    parsed = text_format.Parse(config.decode(), model_config_pb2.ModelConfig())
    parsed.name = name
    for step in parsed.ensemble_scheduling.step:
        step.model_version = versions.get(step.model_name, step.model_version)
    return str(text_format.MessageToString(parsed)).encode()


async def remove_ensembles(publisher: Publisher, names: Sequence[str]) -> None:
    """Out of the servers and the repository."""
    for name in names:
        await publisher.control.unload(name)
        await publisher.repository.remove(name)


async def ensembles_with(publisher: Publisher, part: str) -> list[str]:
    """The names of those that have `part` (u3, r2) in their name."""
    names = await publisher.repository.models()
    return [name for name in names if name.startswith(f"{PREVIEW}_") and part in name.split("_")]
