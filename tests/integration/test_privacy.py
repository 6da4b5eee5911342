"""One user's data is exported and erased completely; and results carry nothing of the photo's EXIF."""

import io
import json
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
from PIL import Image
from sqlalchemy import func, select

from export.drawing import eyes
from irisvue import AsyncClient
from orchestrator.auth.tokens import make_token
from orchestrator.db.subject_data import INDIRECT, NOT_PERSONAL, personal_tables
from orchestrator.db.tables import Base
from orchestrator.embedded.stack import Stack
from orchestrator.errors import NotFound
from orchestrator.privacy import subject_data
from orchestrator.services import Services
from tests.commands import run

ALL = {table.name: table for table in Base.metadata.sorted_tables}


@pytest.fixture
def user() -> UUID:
    return uuid4()


@pytest.fixture
async def client(stack: Stack, user: UUID) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(stack.url, make_token(user, stack.env["IRISVUE_JWT_SECRET"])) as opened:
        yield opened


async def use_everything(client: AsyncClient, jpeg: bytes) -> None:
    """Leave rows in every table."""
    await client.process(jpeg)
    unfinished = await client.upload(jpeg)
    await client.submit(unfinished.id)
    headers = client._transport.auth()
    async with httpx.AsyncClient(base_url=f"{client.url}/api/v1", headers=headers, trust_env=False) as http:
        responses = [
            await http.post("/webhooks", json={"url": "http://127.0.0.1:9/"}),
            await http.post("/devices", json={"token": f"token-{uuid4()}", "platform": "ios"}),
            await http.post("/photos/uploads", json={"content_type": "image/jpeg", "size_bytes": 100}),
        ]
    assert [response.status_code for response in responses] == [201, 201, 201]
    await client.process(jpeg)  # now with notifications


async def count_rows(services: Services) -> dict[str, int]:
    async with services.db() as session:
        return {name: await session.scalar(select(func.count()).select_from(table)) or 0 for name, table in ALL.items()}


def test_every_table_is_personal_or_not() -> None:
    with_user = {name for name, table in ALL.items() if "user_id" in table.c}
    assert with_user | set(INDIRECT) | NOT_PERSONAL >= set(ALL), "name the new table in orchestrator/db/subject_data.py"
    assert {table.name for table in personal_tables()} == set(ALL) - NOT_PERSONAL


async def test_export_and_erase_take_everything_of_one_user_and_nothing_of_others(
    client: AsyncClient, stack: Stack, services: Services, user: UUID, eye_jpeg: bytes, tmp_path: Path
) -> None:
    async with AsyncClient(stack.url, make_token(uuid4(), stack.env["IRISVUE_JWT_SECRET"])) as other:
        others_job = await other.process(eye_jpeg)
        await use_everything(client, eye_jpeg)
        path = tmp_path / "theirs.zip"
        exported = run("privacy", "export", "--user", str(user), "-o", path, "--data", stack.folder, "--json")
        assert exported.returncode == 0, exported.stderr
        counts = json.loads(exported.stdout)
        assert counts["rows"]["jobs"] == 3 and counts["rows"]["photos"] == 3 and counts["objects"]["originals"] == 3
        assert counts["rows"]["webhooks"] == counts["rows"]["devices"] == counts["rows"]["uploads"] == 1
        with zipfile.ZipFile(path) as archive:
            rows = json.loads(archive.read("rows.json"))
            names = archive.namelist()
            assert archive.read(next(n for n in names if n.startswith("originals/"))) == eye_jpeg
        assert "secret" not in rows["webhooks"][0] and rows["users"][0]["id"] == str(user)
        assert {name.split("/")[1] for name in names if "/" in name} == {str(user)}, "no other user's"

        before = await count_rows(services)
        held = (await subject_data.count_held(services, user)).rows
        refused = run("privacy", "erase", "--user", str(user), "--data", stack.folder)
        assert refused.returncode == 1 and "can't be undone" in refused.stdout, "no one answered yes"
        erased = run("privacy", "erase", "--user", str(user), "--yes", "--data", stack.folder, "--json")
        assert erased.returncode == 0, erased.stderr
        left = json.loads(erased.stdout)
        assert not any(left["rows"].values()) and not any(left["objects"].values())
        after = await count_rows(services)
        for name in ("users", "photos", "jobs", "webhooks", "devices", "uploads"):
            assert before[name] - after[name] == held[name]
        assert not [path for path in (stack.folder / "objects").rglob(f"*{user}*/*") if path.is_file()]
        assert (await other.job(others_job.job_id)).status == "completed"
    with pytest.raises(NotFound):
        await subject_data.erase(services, user)
    with pytest.raises(NotFound):
        await subject_data.export(services, uuid4(), tmp_path / "nobody.zip")


async def test_results_carry_nothing_of_the_photos_exif(client: AsyncClient, eye: eyes.Drawn) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x013B] = "SecretMaker", "SecretModel", "Secret Person"
    exif.get_ifd(0x8825)[2] = (48.0, 12.0, 30.0)  # where it was taken
    photo = io.BytesIO()
    Image.fromarray(eye.image).save(photo, "JPEG", quality=95, exif=exif, comment=b"Secret comment")
    assert b"SecretMaker" in photo.getvalue()
    job = await client.process(photo.getvalue())
    async with httpx.AsyncClient(trust_env=False) as http:
        for url in (job.result_url, job.mask_url, job.before_url):
            assert url
            data = (await http.get(url)).content
            with Image.open(io.BytesIO(data)) as picture:
                assert not dict(picture.getexif()) and "comment" not in picture.info
            assert b"Secret" not in data and b"Exif" not in data
