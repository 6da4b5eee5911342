"""An object store that can't be used says why, in words."""

import errno
from pathlib import Path

import pytest

from orchestrator import health
from orchestrator.config import Settings
from orchestrator.storage import Storage
from tests.receivers import receiver
from tests.tls import server_certificate, tls_receiver, tls_server


def bucket(endpoint: str) -> Storage:
    values = {"storage_url": "s3://photos", "s3_access_key_id": "key", "s3_secret_access_key": "secret"}
    return Storage(Settings.model_validate(values | {"s3_endpoint": endpoint}))


async def test_a_wrong_certificate(tmp_path: Path) -> None:
    with tls_server(tmp_path, -1) as url:
        assert await health.store(bucket(url)) == "its certificate is not valid: Expired"


async def test_a_private_authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, authority = server_certificate(tmp_path)
    with tls_receiver(certificate, (200, {"ETag": "x"}, b"")) as url:
        assert "its certificate is not valid: UnknownIssuer" in await health.store(bucket(url))
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        await bucket(url).put("a", b"data", "text/plain")


async def test_denied_access() -> None:
    with receiver() as server:
        server.always = lambda _: (403, {}, b"<Error><Code>AccessDenied</Code></Error>")
        assert "access denied" in await health.store(bucket(server.url))


def test_a_full_disk() -> None:
    assert health.store_error(OSError(errno.ENOSPC, "No space left on device")) == "the disk is full"


async def test_a_disk_that_is_nearly_full_and_a_folder_that_is_missing(tmp_path: Path) -> None:
    settings = Settings.model_validate({"storage_url": f"file://{tmp_path}"})
    folder = Storage(settings)
    assert await health.store(folder) == "ok"
    assert "MB are left" in await health.store(folder, min_free_bytes=2**62)
    tmp_path.rmdir()
    assert "can't be written" in await health.store(folder)
