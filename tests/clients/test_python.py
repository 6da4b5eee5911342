"""The Python client against the live stack, also over a way that breaks."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from irisvue import AsyncClient, Client, Event, IrisvueError, JobFailed
from orchestrator.auth.tokens import make_token
from orchestrator.embedded.stack import Stack
from orchestrator.pipeline.images import encode_jpeg
from orchestrator.pipeline.pixels import Pixels
from tests.api_process import api_process


@pytest.fixture
def token(stack: Stack) -> str:
    return make_token(uuid4(), stack.env["IRISVUE_JWT_SECRET"])


@pytest.fixture
async def client(stack: Stack, token: str) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(stack.url, token) as opened:
        yield opened


@asynccontextmanager
async def cuttable(url: str, cut: Callable[[bytes], bool], silently: bool = False) -> AsyncIterator[str]:
    """A way to the service that ends a connection when `cut` says so of a piece that came back.

    `silently`: nobody is told. The connection stays open, and nothing comes through it any more.
    """
    target = urlsplit(url)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, onward = await asyncio.open_connection(target.hostname, target.port)
        gone = asyncio.Event()

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, answers: bool) -> None:
            with suppress(ConnectionError):
                while data := await source.read(65536):
                    if answers and cut(data):
                        if silently:
                            await gone.wait()
                        break
                    sink.write(data)
                    await sink.drain()
            if not answers:
                gone.set()
            sink.close()

        await asyncio.gather(pump(reader, onward, False), pump(back, writer, True))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def sound(events: list[Event]) -> None:
    progress = [event.progress for event in events]
    assert progress == sorted(progress)
    assert [e.status for e in events if e.last] == ["completed"] and events[-1].progress == 100
    ids = [event.event_id for event in events if event.event_id]
    assert len(set(ids)) >= len(ids) - 1, "nothing comes twice (a last message read off the row has the id before it)"


def test_the_five_lines_of_the_readme(stack: Stack, token: str, eye_jpeg: bytes, tmp_path: Path) -> None:
    photo = tmp_path / "eye.jpg"
    photo.write_bytes(eye_jpeg)
    steps: list[str] = []
    with Client(stack.url, token) as client:
        job = client.process(photo, on_step=lambda percent, words: steps.append(words))
        path = client.save(job, tmp_path / "iris.jpg")
        assert path.read_bytes() == client.result(job) and client.mask(job).startswith(b"\x89PNG")
        assert [found.job_id for found in client.jobs()] == [job.job_id]
        assert [found.id for found in client.photos()] == [job.photo_id] == [client.photo(job.photo_id).id]
        again = client.reprocess(job.job_id)
        assert client.cancel(again.job_id).status == "cancelled" and client.job(again.job_id).ended
        [other] = client.submit_batch([job.photo_id])
        sound(list(client.watch(other.job_id)))
        client.delete_photo(job.photo_id)
        assert list(client.jobs()) == []
    shown = list(dict.fromkeys(steps))
    assert shown[0] == "Uploading..." and "Enhancing quality..." in shown and shown[-1] == "Complete!"


async def test_a_bar_is_drawn_where_it_is_asked_for(
    client: AsyncClient, eye_jpeg: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    await client.process(eye_jpeg, show=True)
    assert "Complete!" in capsys.readouterr().out


async def test_a_job_without_a_picture_says_what_to_do(client: AsyncClient, wall: Pixels) -> None:
    with pytest.raises(JobFailed, match=r"Iris not detected in image\. Try capturing a new photo") as failed:
        await client.process(encode_jpeg(wall))
    assert (failed.value.job.error_type, failed.value.code) == ("quality_issue", "no_iris")
    with pytest.raises(IrisvueError, match="has no picture"):
        await client.result(failed.value.job)


async def test_a_stream_that_breaks_goes_on_where_it_broke(
    client: AsyncClient, stack: Stack, token: str, eye_jpeg: bytes
) -> None:
    cuts = 0

    def cut(data: bytes) -> bool:
        nonlocal cuts
        cuts += b"event: progress" in data
        return b"event: progress" in data and cuts % 2 == 0

    job = await client.submit((await client.upload(eye_jpeg)).id)
    async with cuttable(stack.url, cut) as url, AsyncClient(url, token) as broken:
        sound([event async for event in broken.watch(job.job_id)])
    assert cuts > 1


async def test_detail_is_asked_for(client: AsyncClient, eye_jpeg: bytes) -> None:
    first = await client.submit((await client.upload(eye_jpeg)).id, detail="natural")
    sound([event async for event in client.watch(first.job_id)])
    (batched,) = await client.submit_batch([first.photo_id], detail="natural")
    sound([event async for event in client.watch(batched.job_id)])
    again = await client.reprocess(first.job_id, detail="crisp")
    sound([event async for event in client.watch(again.job_id)])
    ended = [await client.job(job.job_id) for job in (first, batched, again)]
    assert [job.detail_used for job in ended] == ["natural", "natural", "crisp"]


async def test_a_connection_that_died_without_a_word_is_noticed(
    client: AsyncClient, stack: Stack, token: str, eye_jpeg: bytes
) -> None:
    """A phone that changes from one network to another leaves such connections."""
    deaths = 0

    def die(data: bytes) -> bool:
        nonlocal deaths
        deaths += b"event: progress" in data
        return b"event: progress" in data and deaths == 2

    with api_process(stack, HEARTBEAT_S="0.1") as url:
        job = await client.submit((await client.upload(eye_jpeg)).id)
        async with cuttable(url, die, silently=True) as dying, AsyncClient(dying, token, silent_s=1.0) as broken:
            sound([event async for event in broken.watch(job.job_id)])
        again = await client.reprocess(job.job_id)
        deaths = 0
        async with cuttable(url, die, silently=True) as dying:
            sound(await asyncio.to_thread(watched, dying, token, again.job_id))
    assert deaths > 1


def watched(url: str, token: str, job_id: str) -> list[Event]:
    """A job's messages, as a program without asyncio gets them."""
    with Client(url, token, silent_s=1.0) as client:
        return list(client.watch(job_id))


async def test_an_upload_whose_answer_was_lost_makes_one_photo(
    client: AsyncClient, stack: Stack, token: str, eye_jpeg: bytes
) -> None:
    lost = 0

    def cut(data: bytes) -> bool:
        nonlocal lost
        lost += 1
        return lost <= 2

    shares: list[float] = []
    async with cuttable(stack.url, cut) as url, AsyncClient(url, token) as broken:
        photo = await broken.upload(eye_jpeg, on_progress=shares.append)
    assert lost > 2 and shares[-1] == 1.0
    assert [found.id async for found in client.photos()] == [photo.id]


async def test_who_is_not_let_in_is_told_so_and_a_new_token_is_asked_for(stack: Stack, token: str) -> None:
    async with AsyncClient(stack.url, "wrong") as wrong:
        with pytest.raises(IrisvueError) as refused:
            [job async for job in wrong.jobs()]
        assert (refused.value.status, refused.value.code, refused.value.retryable) == (401, "unauthorized", False)
        with pytest.raises(IrisvueError):
            [event async for event in wrong.watch_all()]
    tokens = ["run out", token]
    async with AsyncClient(stack.url, lambda: tokens.pop(0)) as renewing:
        assert [job async for job in renewing.jobs()] == []


async def test_a_server_that_is_away_is_waited_for_as_long_as_patience_lasts(eye_jpeg: bytes) -> None:
    async with AsyncClient("http://127.0.0.1:9", "x", patience_s=0.5) as nobody:
        with pytest.raises(IrisvueError, match=r"does not answer .* Is it running\?") as away:
            await nobody.upload(eye_jpeg)
        assert away.value.status == 0 and away.value.retryable
        with pytest.raises(IrisvueError, match="does not answer"):
            [event async for event in nobody.watch_all()]


async def test_all_jobs_on_one_stream(client: AsyncClient, eye_jpeg: bytes) -> None:
    photo = await client.upload(eye_jpeg)
    wanted = {job.job_id for job in [await client.submit(photo.id), await client.submit(photo.id)]}
    async for event in client.watch_all():
        if event.last:
            wanted.discard(event.job_id)
        if not wanted:
            break


async def test_many_pages(client: AsyncClient, eye_jpeg: bytes) -> None:
    photo = await client.upload(eye_jpeg)
    for _ in range(11):
        for job in await client.submit_batch([photo.id] * 10):
            await client.cancel(job.job_id)
    found = [job async for job in client.jobs(status="cancelled", photo_id=photo.id)]
    assert len({job.job_id for job in found}) > 100


def test_it_is_found_beside_a_folder_of_its_name(tmp_path: Path) -> None:
    """A clone of this project is called irisvue; programs are written beside it."""
    (tmp_path / "irisvue").mkdir()
    (tmp_path / "program.py").write_text("import irisvue\nprint(irisvue.Client.__name__)\n")
    argv = [sys.executable, str(tmp_path / "program.py")]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "Client\n", done.stderr
