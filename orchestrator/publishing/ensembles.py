"""Ensembles for previews: one for each pair of versions that a job may have."""

import asyncio
from collections.abc import Sequence

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from orchestrator.inference.protocol import ENHANCER, PREVIEW, SEGMENTER, preview_ensemble
from orchestrator.publishing.publisher import Publisher


async def add_ensembles(publisher: Publisher, model: str, version: int) -> list[str]:
    """Add an ensemble for the new version with each version of the other network; returns their names."""
    other = ENHANCER if model == SEGMENTER else SEGMENTER
    config = await publisher.repository.config(PREVIEW)
    shipped = versions_named(config)
    added: list[str] = []
    try:
        for beside in await publisher.repository.versions(other):
            versions = {model: version, other: beside}
            if versions == shipped:
                continue
            name = preview_ensemble(str(versions[SEGMENTER]), str(versions[ENHANCER]))
            added.append(name)
            await publisher.repository.place_model(name, _config_of(config, name, versions))
            await publisher.control.reload(name)
    except BaseException:
        await asyncio.shield(remove_ensembles(publisher, added))
        raise
    return added


def versions_named(config: bytes) -> dict[str, int]:
    """The versions of the networks that an ensemble's config.pbtxt names."""
    parsed = text_format.Parse(config.decode(), model_config_pb2.ModelConfig())
    steps = parsed.ensemble_scheduling.step
    return {step.model_name: step.model_version for step in steps if step.model_version > 0}


def _config_of(config: bytes, name: str, versions: dict[str, int]) -> bytes:
    """The shipped ensemble's config.pbtxt with another name and other versions."""
    parsed = text_format.Parse(config.decode(), model_config_pb2.ModelConfig())
    parsed.name = name
    for step in parsed.ensemble_scheduling.step:
        step.model_version = versions.get(step.model_name, step.model_version)
    return str(text_format.MessageToString(parsed)).encode()


async def remove_ensembles(publisher: Publisher, names: Sequence[str]) -> None:
    """Remove them from the servers and the repository."""
    for name in names:
        await publisher.control.unload(name)
        await publisher.repository.remove(name)


async def ensembles_with(publisher: Publisher, model: str, version: int) -> list[str]:
    """The names of the published ensembles that use this version."""
    part = f"u{version}" if model == SEGMENTER else f"r{version}"  # as in `preview_ensemble`
    names = await publisher.repository.models()
    return [name for name in names if name.startswith(f"{PREVIEW}_") and part in name.split("_")]
