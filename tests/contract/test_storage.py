"""A folder and an S3 bucket keep the same promises."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import uuid4

import httpx
import pytest

from orchestrator.config import Settings
from orchestrator.errors import NotFound, StoreUnavailable
from orchestrator.object_keys import original_key, result_keys
from orchestrator.storage import Storage


def on_s3(url: str) -> Storage:
    return Storage(
        Settings.model_validate(
            {
                "storage_url": "s3://photos/here",
                "s3_endpoint": url,
                "s3_access_key_id": "key",
                "s3_secret_access_key": "secret",
            }
        )
    )


def on_disk(folder: Path) -> Storage:
    return Storage(Settings.model_validate({"storage_url": f"file://{folder}", "link_secret": "secret"}))


@pytest.fixture(params=["folder", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    return on_disk(tmp_path) if request.param == "folder" else on_s3(request.getfixturevalue("s3"))


async def test_an_object_can_be_written_read_replaced_and_deleted(storage: Storage) -> None:
    key = original_key(uuid4(), uuid4())
    await storage.put(key, b"first", "image/jpeg")
    await storage.put(key, b"second" * 100_000, "image/jpeg")
    assert await storage.get(key) == b"second" * 100_000
    assert await storage.keys(key.rpartition("/")[0]) == [key]
    await storage.delete([key, "never/was"])
    with pytest.raises(NotFound):
        await storage.get(key)
    assert await storage.keys(key.rpartition("/")[0]) == []


def test_keys_depend_on_the_job_alone() -> None:
    user, job = uuid4(), uuid4()
    assert result_keys(user, job) == result_keys(user, job)
    assert len({*result_keys(user, job), *result_keys(user, uuid4())}) == 12


async def test_the_link_of_a_bucket_needs_no_token(s3: str) -> None:
    storage = on_s3(s3)
    await storage.put("a/b.jpg", b"picture", "image/jpeg")
    async with httpx.AsyncClient(trust_env=False) as client:
        response = await client.get(await storage.link("a/b.jpg"))
    assert response.content == b"picture"
    assert response.headers["content-type"] == "image/jpeg"


async def test_the_link_of_a_folder_is_good_for_its_object_and_its_time_only(tmp_path: Path) -> None:
    storage = on_disk(tmp_path)
    parts = urlsplit(await storage.link("a/b c.jpg"))
    query = parse_qs(parts.query)
    expires, signature = int(query["expires"][0]), query["signature"][0]
    assert unquote(parts.path) == "/objects/a/b c.jpg"
    storage.check_link("GET", "a/b c.jpg", expires, signature)
    for key, until, sign in [
        ("a/other.jpg", expires, signature),
        ("a/b c.jpg", expires + 1, signature),
        ("a/b c.jpg", expires, "0" * 64),
    ]:
        with pytest.raises(NotFound):
            storage.check_link("GET", key, until, sign)


async def test_expired_link(tmp_path: Path) -> None:
    old = Storage(
        Settings.model_validate({"storage_url": f"file://{tmp_path}", "link_secret": "secret", "link_seconds": -5})
    )
    query = parse_qs(urlsplit(await old.link("a")).query)
    with pytest.raises(NotFound):
        old.check_link("GET", "a", int(query["expires"][0]), query["signature"][0])


async def test_without_a_secret_no_link_is_good(tmp_path: Path) -> None:
    open_to_all = Storage(Settings.model_validate({"storage_url": f"file://{tmp_path}"}))
    query = parse_qs(urlsplit(await open_to_all.link("a")).query)
    with pytest.raises(NotFound):
        open_to_all.check_link("GET", "a", int(query["expires"][0]), query["signature"][0])


async def test_a_folder_that_cant_be_written_is_a_transient_error(tmp_path: Path) -> None:
    storage = on_disk(tmp_path)
    (tmp_path / "originals").write_text("a file where a folder should be")
    with pytest.raises(StoreUnavailable):
        await storage.put("originals/x/y", b"data", "image/jpeg")


@pytest.mark.parametrize(
    ("encryption", "key_id"), [("", None), ("AES256", None), ("aws:kms", "alias/iris"), ("aws:kms:dsse", "alias/iris")]
)
async def test_a_bucket_encrypts_as_the_settings_say(
    bucket: tuple[Any, Settings], encryption: str, key_id: str | None
) -> None:
    client, settings = bucket
    values = {"storage_url": "s3://photos", "s3_encryption": encryption, "s3_kms_key_id": key_id}
    await Storage(settings.model_copy(update=values)).put("sealed.jpg", b"picture", "image/jpeg")
    head = client.head_object(Bucket="photos", Key="sealed.jpg")
    client.delete_object(Bucket="photos", Key="sealed.jpg")
    assert head.get("ServerSideEncryption") == (encryption or None)
    if encryption != "aws:kms:dsse":  # this test server returns the key for the others only
        assert head.get("SSEKMSKeyId") == key_id
