"""Brings the networks that come with this release into the repository that the servers read.

A release's networks and settings get into a repository of an earlier release this way, and nothing that an operator has
published or changed is touched. `shipped.txt` beside the shipped models has the hash of every file that a release ever
had: a file with another hash is an operator's. A network never replaces another one: it gets a version of its own.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from orchestrator import db
from orchestrator.db.tables import ModelVersion
from orchestrator.publishing.repository import Repository
from orchestrator.publishing.repository.protocol import CONFIG
from orchestrator.rollout import routing
from orchestrator.services import Services

HASHES = "shipped.txt"
NETWORK = "model.onnx"
CARD = "MODEL.md"


@dataclass(frozen=True)
class Shipped:
    """The models that come with this release: a folder like Triton's model repository."""

    folder: Path

    @cached_property
    def hashes(self) -> frozenset[str]:
        """SHA-256 of every file that this or an earlier release had."""
        lines = (self.folder / HASHES).read_text().splitlines()
        return frozenset(line.split()[0] for line in lines)

    def models(self) -> list[str]:
        """Their names."""
        return sorted(path.parent.name for path in self.folder.glob(f"*/{CONFIG}"))

    def files(self, model: str) -> list[str]:
        """The paths of the model's files but for networks."""
        paths = [path for path in (self.folder / model).rglob("*") if path.is_file() and path.name != NETWORK]
        return sorted(
            path.relative_to(self.folder / model).as_posix() for path in paths if "__pycache__" not in path.parts
        )

    def network(self, model: str) -> tuple[int, bytes] | None:
        """The newest version of the model and its file; None for a model that is no network."""
        versions = [int(path.parent.name) for path in (self.folder / model).glob(f"[0-9]*/{NETWORK}")]
        return (max(versions), self.read(model, f"{max(versions)}/{NETWORK}")) if versions else None

    def read(self, model: str, path: str) -> bytes:
        """A file of the model."""
        return (self.folder / model / path).read_bytes()

    def had(self, data: bytes) -> bool:
        """Whether this or an earlier release had a file with these bytes."""
        return sha256(data) in self.hashes


def sha256(data: bytes) -> str:
    """The hash of a file, as shipped.txt and the rows of versions have it."""
    return hashlib.sha256(data).hexdigest()


async def sync(services: Services, shipped: Shipped, repository: Repository) -> list[str]:
    """Add what the repository lacks of this release; returns a sentence for each thing done or left alone.

    Raises:
        StoreUnavailable: the repository can't be written; what was there is as before.
    """
    sentences = []
    for model in shipped.models():
        for path in shipped.files(model):
            sentences += await _sync_file(shipped, repository, model, path)
        if network := shipped.network(model):
            sentences += await _sync_network(services, shipped, repository, model, *network)
    return sentences


async def _sync_file(shipped: Shipped, repository: Repository, model: str, path: str) -> list[str]:
    new, present = shipped.read(model, path), await repository.file(model, path)
    if present == new:
        return []
    if present is not None and path != CARD and not shipped.had(present):
        return [f"{model}/{path} was changed here and stays; compare it with this release's."]
    await repository.place_file(model, path, new)
    return [f"{model}/{path} was {'added' if present is None else 'brought up to date'}."]


async def _sync_network(
    services: Services, shipped: Shipped, repository: Repository, model: str, newest: int, data: bytes
) -> list[str]:
    present = {
        version: await repository.file(model, f"{version}/{NETWORK}") for version in await repository.versions(model)
    }
    ours = {version: sha256(file) for version, file in present.items() if file is not None and shipped.had(file)}
    await _record(services, model, ours)
    rows = await _rows(services, model)
    if lost := _lost(rows, present, sha256(data)):
        await repository.place(model, lost, {NETWORK: data})
        return [f"{model} {lost} was put back: the database knows it, and the repository had lost it."]
    if sha256(data) in {*ours.values(), *(row.sha256 for row in rows)} or _withdrawn_before_it_had_a_hash(rows, newest):
        return []
    last = max([await repository.last_number(model), *(row.version for row in rows)])
    version = newest if newest > last else last + 1
    if present and max(present) not in ours:
        await _keep_operators_version(services, model, max(present), version)
    await repository.place(model, version, {NETWORK: data})
    await _record(services, model, {version: sha256(data)})
    return [f"{model} {version} was added."]


async def _rows(services: Services, model: str) -> list[ModelVersion]:
    async with services.db() as session:
        return [row for row in await db.rollout.model_versions(session) if row.name == model]


async def _record(services: Services, model: str, hashes: dict[int, str]) -> None:
    async with services.db.begin() as session:
        for version, digest in hashes.items():
            await db.rollout.add_version(session, model, version, routing.SHIPPED, sha256=digest)


def _lost(rows: Sequence[ModelVersion], present: Collection[int], digest: str) -> int | None:
    """The version that a restored database has this network as, where the repository is a new one."""
    versions = [row.version for row in rows if row.sha256 == digest and row.withdrawn_at is None]
    return max(versions) if versions and not set(versions) & set(present) else None


def _withdrawn_before_it_had_a_hash(rows: Sequence[ModelVersion], version: int) -> bool:
    return any(row.version == version and row.withdrawn_at and row.sha256 is None for row in rows)


async def _keep_operators_version(services: Services, model: str, in_use: int, added: int) -> None:
    """Without a route the newest version serves every job: the added one would take over from an operator's."""
    await routing.register(services, {model: [str(in_use)]})
    async with services.db() as session:
        routed = model in await db.rollout.current_routes(session)
    if not routed:
        shares = routing.Shares({str(in_use): routing.ALL_JOBS})
        await routing.set_route(services, model, shares, routing.SHIPPED, f"kept when {added} came with a release")
