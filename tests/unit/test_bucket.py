"""A bucket's key: each right that it lacks is named, reading works without the right to list, and own keys go alone."""

from collections.abc import Iterator

import pytest

from orchestrator import health
from orchestrator.config import Settings
from orchestrator.errors import ListingDenied, NotFound, StoreUnavailable
from orchestrator.storage import Storage
from tests.receivers import receiver
from tests.s3 import s3_with_rights

ALL = {"get", "put", "delete", "list"}
OWN_KEYS = {"s3_access_key_id": "key", "s3_secret_access_key": "secret"}


def storage(endpoint: str, keys: dict[str, str] = OWN_KEYS) -> Storage:
    return Storage(Settings.model_validate({"storage_url": "s3://photos/app", "s3_endpoint": endpoint, **keys}))


@pytest.mark.parametrize(
    ("rights", "found"),
    [
        (ALL, "ok"),
        (ALL - {"list"}, "the bucket's key lacks the right to s3:ListBucket"),
        (ALL - {"delete"}, "the bucket's key lacks the right to s3:DeleteObject"),
        (ALL - {"delete", "list"}, "the bucket's key lacks the right to s3:ListBucket, s3:DeleteObject"),
        (ALL - {"get"}, "the bucket's key lacks the right to s3:GetObject"),
        (ALL - {"put"}, "the bucket's key lacks the right to s3:PutObject"),
        (set(), "the bucket's key lacks the right to s3:PutObject"),
    ],
)
async def test_the_doctor_names_the_rights_that_are_lacking(s3: str, rights: set[str], found: str) -> None:
    with s3_with_rights(s3, rights) as url:
        assert await health.written(storage(url)) == found


async def test_the_service_works_without_the_right_to_list(s3: str) -> None:
    with s3_with_rights(s3, ALL - {"list"}) as url:
        objects = storage(url)
        assert await health.store(objects) == "ok"
        await objects.put("originals/a", b"abc", "text/plain")
        assert (await objects.get("originals/a"), await objects.size("originals/a")) == (b"abc", 3)
        for read in (objects.get, objects.size):
            with pytest.raises(NotFound):
                await read("originals/never-was")
        with pytest.raises(ListingDenied, match="s3:ListBucket"):
            await objects.keys("originals")
        await objects.delete(["originals/a"])


async def test_what_is_denied_to_a_bad_key_is_not_missing(s3: str) -> None:
    with s3_with_rights(s3, set()) as url:
        for read in (storage(url).get, storage(url).size, storage(url).keys):
            with pytest.raises(StoreUnavailable) as denied:
                await read("originals/a")
            assert not isinstance(denied.value, ListingDenied)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("InvalidAccessKeyId", "it does not know the access key"),
        ("SignatureDoesNotMatch", "the secret of the access key is wrong"),
        ("RequestTimeTooSkewed", "this machine's clock is wrong"),
        ("InvalidToken", "the session token does not belong to this key"),
    ],
)
async def test_why_access_is_denied_is_said(code: str, words: str) -> None:
    with receiver() as server:
        server.always = lambda _: (403, {}, f"<Error><Code>{code}</Code></Error>".encode())
        assert await health.written(storage(server.url)) == words


@pytest.mark.parametrize(("status", "code"), [(301, "PermanentRedirect"), (400, "AuthorizationHeaderMalformed")])
async def test_a_bucket_in_another_region_is_called_so(status: int, code: str) -> None:
    with receiver() as server:
        server.always = lambda _: (status, {}, f"<Error><Code>{code}</Code></Error>".encode())
        assert await health.written(storage(server.url)) == "the bucket is in another region: set IRISVUE_S3_REGION"


@pytest.fixture
def somebodys_variables(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What other tools left in the environment."""
    monkeypatch.setenv("AWS_SESSION_TOKEN", "somebodys-token")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebodys-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "somebodys-secret")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    yield


@pytest.mark.usefixtures("somebodys_variables")
async def test_own_keys_go_alone(s3: str) -> None:
    seen: list[dict[str, str]] = []
    with s3_with_rights(s3, ALL, seen) as url:
        objects = storage(url)
        assert await health.written(objects) == "ok"
        link = await objects.link("originals/a")
    assert len(seen) > 3 and "somebodys" not in str(seen) + link
    assert all("Credential=key/" in request["authorization"] for request in seen) and link.startswith(url)


@pytest.mark.usefixtures("somebodys_variables")
async def test_without_own_keys_those_of_the_environment_are_used(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_SKIP_SIGNATURE")
    seen: list[dict[str, str]] = []
    with s3_with_rights(s3, ALL, seen) as url:
        assert await health.written(storage(url, {})) == "ok"
    assert {request["x-amz-security-token"] for request in seen} == {"somebodys-token"}
    assert all("Credential=somebodys-key/" in request["authorization"] for request in seen), "but its endpoint is not"
