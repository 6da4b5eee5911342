"""Triton's model repository, in a folder or in a bucket. A version is put in completely or not at all."""

from pathlib import Path
from urllib.parse import urlsplit

from orchestrator.bucket import s3_store
from orchestrator.config import Settings
from orchestrator.errors import SetupError
from orchestrator.publishing.repository.bucket import BucketRepository
from orchestrator.publishing.repository.folder import FolderRepository
from orchestrator.publishing.repository.protocol import Repository

__all__ = ["BucketRepository", "FolderRepository", "Repository", "open_repository"]


def open_repository(address: str, settings: Settings) -> Repository:
    """The repository at a folder or an s3://bucket/prefix. Raises SetupError."""
    parts = urlsplit(address)
    if parts.scheme == "s3":
        return BucketRepository(s3_store(parts.netloc, parts.path.strip("/") or None, settings))
    folder = Path(address)
    if not folder.is_dir():
        raise SetupError(f"There is no model repository at {folder}. Check IRISVUE_MODEL_REPOSITORY.")
    return FolderRepository(folder)
