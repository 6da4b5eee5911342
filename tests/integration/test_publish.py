"""Publishing, routing and taking out versions, on a stack of its own whose repository may change."""

import asyncio
import hashlib
import os
import re
import shlex
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from orchestrator import db
from orchestrator.config import ROOT, Settings
from orchestrator.embedded import triton_server
from orchestrator.embedded.data_folder import secret
from orchestrator.embedded.ports import HOST
from orchestrator.embedded.ready import triton_ready
from orchestrator.embedded.stack import Options, Stack
from orchestrator.embedded.supervisor import Process
from orchestrator.errors import Conflict, ModelUnavailable, Refused
from orchestrator.inference.channel import CHANNEL_OPTIONS
from orchestrator.inference.protocol import ENHANCER, SEGMENTER
from orchestrator.inference.triton import TritonInfer
from orchestrator.publishing import golden, tuning
from orchestrator.publishing import publish as publishing
from orchestrator.publishing.comparison import SEGMENTING
from orchestrator.publishing.golden import load_golden
from orchestrator.publishing.publish import Candidate, Publication, publish, restore, withdraw
from orchestrator.publishing.publisher import Publisher
from orchestrator.publishing.repository import open_repository
from orchestrator.publishing.triton_control import CONTROL_HEADER, open_control
from orchestrator.reporting import ignore_report
from orchestrator.rollout import guard, routing
from orchestrator.services import open_services
from tests import networks
from tests.conftest import live_stack, settings_for
from tests.waiting import ended, submitted, until

pytestmark = pytest.mark.timeout(300)
UNTIMED = replace(SEGMENTING, slower=100)  # both are the same network; a busy machine must fail no test


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with live_stack(Options(tmp_path_factory.mktemp("own"))) as stack:
        yield stack


@pytest.fixture(autouse=True)
def few_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Golden pictures are asked for once, not three times, and few go through the whole chain: time is no matter."""
    monkeypatch.setattr(golden, "REPEATS", 1)
    monkeypatch.setattr(publishing, "CHAIN_EYES", 2)


@pytest.fixture
async def publisher(own: Stack) -> AsyncIterator[Publisher]:
    config = settings_for(own)
    await until(partial(triton_ready, config.triton_url))  # a test before this one may have killed it
    async with open_services(config) as services, open_control(config.triton_url, config.triton_control_key) as control:
        infer = await TritonInfer.connect(config.triton_url, 30)
        yield Publisher(services, open_repository(config.model_repository, config), control, infer)
        await infer.aclose()


@pytest.fixture
async def client(own: Stack) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {own.token}"}
    async with httpx.AsyncClient(base_url=own.url, headers=headers, timeout=60, trust_env=False) as opened:
        yield opened


def candidate(data: bytes, model: str = SEGMENTER, filename: str = "model.onnx") -> Candidate:
    return Candidate(model, filename, data, "# A candidate\n", "tester")


async def put_in(publisher: Publisher, data: bytes | None = None) -> int:
    said: list[tuple[str, float]] = []
    outcome = await publish(
        publisher, candidate(data or networks.other()), UNTIMED, tell=lambda *told: said.append(told)
    )
    assert outcome.version, outcome.judgement.checks
    words, shares = zip(*said, strict=True)
    assert words[0] == "Checking the contract" and words[-1] == f"Putting it in as version {outcome.version}"
    assert list(shares) == sorted(shares) and shares[0] == 0 and 0.5 < shares[-1] < 1
    return outcome.version


async def some_version(publisher: Publisher) -> int:
    """A version that is not the shipped one, published by an earlier test or now."""
    async with publisher.services.db() as session:
        known = [
            v.version for v in await db.rollout.model_versions(session) if v.name == SEGMENTER and not v.withdrawn_at
        ]
    return max(known) if max(known, default=1) > 1 else await put_in(publisher)


async def state(publisher: Publisher) -> tuple[Any, ...]:
    """The repository, the server and the rows, to be compared before and after."""
    folder = Path(publisher.services.settings.model_repository)
    files = sorted(
        (str(path.relative_to(folder)), hashlib.sha256(path.read_bytes()).hexdigest())
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    )
    client = InferenceServerClient(publisher.control.first, channel_args=CHANNEL_OPTIONS)
    key = publisher.services.settings.triton_control_key
    allowed = {CONTROL_HEADER: key.get_secret_value()} if key else None
    index = await client.get_model_repository_index(headers=allowed)
    await client.close()
    loaded = sorted((m.name, m.version) for m in index.models if m.state == "READY")
    async with publisher.services.db() as session:
        versions = [(v.name, v.version, v.sha256) for v in await db.rollout.model_versions(session)]
        shares = {name: route.shares for name, route in (await db.rollout.current_routes(session)).items()}
    return files, loaded, versions, shares


async def served_by(client: httpx.AsyncClient, job_id: str) -> dict[str, str]:
    job = await ended(client, job_id)
    assert job["status"] == "completed", job
    versions: dict[str, str] = job["model_versions"]
    return versions


async def test_a_version_is_published_tried_promoted_and_rolled_back(
    publisher: Publisher, client: httpx.AsyncClient, eye_jpeg: bytes
) -> None:
    version = await put_in(publisher)
    assert (await served_by(client, await submitted(client, eye_jpeg)))[SEGMENTER] == "1", "loaded, without traffic"
    found = {m["name"]: m for m in (await client.get("/api/v1/models")).json()["models"]}
    published = found[SEGMENTER]["versions"][-1]
    assert published["version"] == str(version) and published["card"] == "# A candidate\n"
    assert published["scores"]["mean_iou"] > 0.9 and published["published_by"] == "tester"
    assert published["sha256"] == hashlib.sha256(networks.other()).hexdigest()
    assert found[SEGMENTER]["route"]["shares"] == {"1": 100}

    answer = await client.put(f"/api/v1/models/{SEGMENTER}/route", json={"shares": {str(version): 100}})
    assert answer.status_code == 200 and answer.json()["shares"] == {str(version): 100}
    assert (await served_by(client, await submitted(client, eye_jpeg)))[SEGMENTER] == str(version)
    answer = await client.post(f"/api/v1/models/{SEGMENTER}/rollback")
    assert answer.json()["shares"] == {"1": 100}
    assert (await served_by(client, await submitted(client, eye_jpeg)))[SEGMENTER] == "1"
    assert (await client.post(f"/api/v1/models/{SEGMENTER}/rollback")).status_code == 409, "there was no other"


async def test_first_pictures_never_mix_versions(publisher: Publisher, own: Stack) -> None:
    version = await some_version(publisher)
    infer = await TritonInfer.connect(settings_for(own).triton_url, 30)
    eye = next(p.shown for p in load_golden(SEGMENTER, infer.segment_px) if p.mask is not None)
    for pair in ({SEGMENTER: "1"}, {SEGMENTER: str(version)}):
        assert await infer.pinned(pair).preview(eye) is not None
    assert await infer.pinned({SEGMENTER: str(version), ENHANCER: "7"}).preview(eye) is None, "no such pair"
    await infer.aclose()


@pytest.mark.parametrize("fault", ["nan", "slow", "blind"])
async def test_a_bad_candidate_changes_nothing(publisher: Publisher, fault: str) -> None:
    pictures = load_golden(SEGMENTER, publisher.infer.segment_px)
    data = {"nan": networks.nan_on(pictures[7].shown), "slow": networks.slow(), "blind": networks.blind()}[fault]
    before = await state(publisher)
    outcome = await publish(publisher, candidate(data))
    assert outcome.version is None
    wrong = [check for check in outcome.judgement.checks if not check.good]
    if fault == "nan":
        assert any(f"{pictures[7].name}: iris_unet: probabilities outside 0–1" == c.candidate for c in wrong)
        assert wrong[0].candidate == "23 of 24"
    elif fault == "slow":
        assert "median time" in [check.what for check in wrong]
    else:
        assert "mean IoU" in [check.what for check in wrong]
    assert outcome.sheet.shape[1] == 4 * 256 and outcome.sheet.std() > 10
    assert await state(publisher) == before


async def test_files_that_break_the_contract_or_do_not_load_change_nothing(publisher: Publisher) -> None:
    before = await state(publisher)
    enhancer = (ROOT / "model_repository" / "realesrgan" / "1" / "model.onnx").read_bytes()
    for wrong, words in ((enhancer, "no input 'image'"), (b"garbage", "no ONNX model"), (b"", "no ONNX model")):
        with pytest.raises(Refused, match=words):
            await publish(publisher, candidate(wrong))
    assert await state(publisher) == before


async def test_a_version_that_the_server_will_not_load_is_taken_back(
    publisher: Publisher,
) -> None:
    """The server is handed a file that is damaged on its way into the repository."""
    before = await state(publisher)

    class Damaging(type(publisher.repository)):  # type: ignore[misc]
        async def place(self, model: str, version: int, filename: str, data: bytes) -> None:
            await super().place(model, version, filename, data[:1000])

    folder = Path(publisher.services.settings.model_repository)
    damaging = Publisher(publisher.services, Damaging(folder), publisher.control, publisher.infer)
    with pytest.raises(Refused, match="could not be loaded"):
        await publish(damaging, candidate(networks.other(0.998)), UNTIMED)
    assert await state(publisher) == before


async def test_a_folder_that_is_half_copied_is_named(publisher: Publisher) -> None:
    folder = Path(publisher.services.settings.model_repository) / SEGMENTER / "40"
    folder.mkdir()
    (folder / "model.onnx.part").write_bytes(b"half")
    before = await state(publisher)
    try:
        with pytest.raises(Refused, match=r"iris_unet/40 in the repository has no model\.onnx"):
            await publish(publisher, candidate(networks.other()))
        assert await state(publisher) == before
    finally:
        (folder / "model.onnx.part").unlink()
        folder.rmdir()


async def test_of_two_who_publish_at_once_one_is_told_to_wait(publisher: Publisher) -> None:
    calls = [publish(publisher, candidate(networks.other(f)), UNTIMED) for f in (0.997, 0.996)]
    found = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(one) for one in found} == {Publication, Conflict}, found


async def test_the_server_killed_in_the_middle_leaves_everything_as_it_was(publisher: Publisher, own: Stack) -> None:
    before = await state(publisher)

    def kill(words: str, done: float) -> None:
        if words.startswith("Putting it in"):
            os.kill(own.processes["triton"].pid, signal.SIGKILL)

    with pytest.raises(ModelUnavailable):
        await publish(publisher, candidate(networks.other(0.99)), UNTIMED, tell=kill)

    async def back() -> bool:
        try:
            return await state(publisher) == before
        except InferenceServerException:
            return False

    await until(back)  # its supervisor starts it again


async def test_routes_name_only_what_is_there(publisher: Publisher, client: httpx.AsyncClient) -> None:
    put = f"/api/v1/models/{SEGMENTER}/route"
    assert (await client.put(put, json={"shares": {"99": 100}})).status_code == 409
    assert (await client.put(put, json={"shares": {"1": 50}})).status_code == 422
    assert (await client.put(put, json={"shares": {}})).status_code == 422
    assert (await client.put("/api/v1/models/none/route", json={"shares": {"1": 100}})).status_code == 404


async def test_unloading_takes_out_what_nobody_needs(publisher: Publisher) -> None:
    version = await some_version(publisher)
    whole = routing.Shares({str(version): 100})
    await routing.set_route(publisher.services, SEGMENTER, whole, "tester")
    with pytest.raises(Conflict, match="is in the route"):
        await withdraw(publisher, SEGMENTER, version)
    await routing.rollback(publisher.services, SEGMENTER, "tester")
    with pytest.raises(Conflict, match="iris_preview names"):
        await withdraw(publisher, SEGMENTER, 1)
    await withdraw(publisher, SEGMENTER, version)
    assert await until(lambda: _gone(publisher, version))
    with pytest.raises(Conflict):
        await routing.set_route(publisher.services, SEGMENTER, whole, "tester")
    await restore(publisher, SEGMENTER, version)
    assert await publisher.control.ready(SEGMENTER, version)
    await routing.set_route(publisher.services, SEGMENTER, whole, "tester")
    await routing.rollback(publisher.services, SEGMENTER, "tester")


async def _gone(publisher: Publisher, version: int) -> bool:
    return not await publisher.control.ready(SEGMENTER, version)


async def test_swapping_versions_under_load_fails_no_job_and_mixes_none(
    publisher: Publisher, client: httpx.AsyncClient, eye_jpeg: bytes
) -> None:
    async def load() -> list[dict[str, Any]]:
        jobs = [await submitted(client, eye_jpeg) for _ in range(12)]
        return [await ended(client, job, 120) for job in jobs]

    working = asyncio.create_task(load())
    version = await put_in(publisher)
    for shares in ({"1": 50, str(version): 50}, {str(version): 100}):
        await routing.set_route(publisher.services, SEGMENTER, routing.Shares(shares), "tester")
        await asyncio.sleep(1)
    first = await working
    second = await load()
    await routing.rollback(publisher.services, SEGMENTER, "tester")
    await routing.set_route(publisher.services, SEGMENTER, routing.Shares({"1": 100}), "tester")
    working = asyncio.create_task(load())
    await asyncio.sleep(1)
    await withdraw(publisher, SEGMENTER, version)
    third = await working
    ends = first + second + third
    assert {job["model_versions"][SEGMENTER] for job in third} == {"1"}
    assert {job["status"] for job in ends} == {"completed"} and {job["attempt_count"] for job in ends} == {1}
    assert {job["model_versions"][SEGMENTER] for job in second} == {str(version)}


async def test_a_shadow_is_compared_and_never_shown(
    publisher: Publisher, client: httpx.AsyncClient, eye_jpeg: bytes
) -> None:
    version = await some_version(publisher)
    with pytest.raises(Conflict, match="is shown already"):
        await routing.set_shadow(publisher.services, SEGMENTER, "1", "tester")
    await routing.set_shadow(publisher.services, SEGMENTER, str(version), "tester")
    assert (await served_by(client, await submitted(client, eye_jpeg)))[SEGMENTER] == "1"

    async def compared() -> Any:
        async with publisher.services.db() as session:
            return await db.rollout.shadow_runs(session, SEGMENTER, str(version))

    run = (await until(compared, 30))[0]
    assert run.shown == "1" and run.error is None and run.likeness > 0.99 and run.ms > 0
    await routing.set_shadow(publisher.services, SEGMENTER, None, "tester")


async def test_the_guard_takes_out_a_version_that_fails(publisher: Publisher) -> None:
    version = str(await some_version(publisher))
    trial = await routing.set_route(publisher.services, SEGMENTER, routing.Shares({"1": 80, version: 20}), "tester")
    assert trial.baseline == "1"
    async with publisher.services.db.begin() as session:  # jobs as workers would have ended them
        await session.execute(text("INSERT INTO users (id) VALUES (gen_random_uuid())"))
        await session.execute(
            text(
                "INSERT INTO photos (id, user_id, object_key, content_type, size_bytes, width, height) "
                "SELECT gen_random_uuid(), id, 'k', 'image/jpeg', 1, 1, 1 FROM users ORDER BY created_at DESC LIMIT 1"
            )
        )
        await session.execute(
            text(
                "INSERT INTO jobs (id, user_id, photo_id, status, priority, current_step, progress, attempt, "
                "model_versions, started_at, completed_at, quality_score, processing_time_ms) "
                "SELECT gen_random_uuid(), p.user_id, p.id, "
                "CASE WHEN n % 5 = 0 THEN 'failed' ELSE 'completed' END, 'interactive', '', 0, 1, "
                "jsonb_build_object('iris_unet', CASE WHEN n % 5 = 0 THEN :version ELSE '1' END), "
                "clock_timestamp(), clock_timestamp() + n * interval '1 ms', 0.8, 1000 "
                "FROM (SELECT * FROM photos WHERE object_key = 'k') p, generate_series(1, 100) n"
            ),
            {"version": version},
        )
    taken = await until(lambda: _taken(publisher))
    assert taken.shares == {"1": 100} and taken.set_by == "guard"
    assert f"guard took out {version}: 16 of 16 jobs failed" in taken.reason
    assert await guard.guard(publisher.services) == []


async def _taken(publisher: Publisher) -> Any:
    """The route, once some worker's guard (or this one) has changed it."""
    await guard.guard(publisher.services)
    async with publisher.services.db() as session:
        row = (await db.rollout.current_routes(session))[SEGMENTER]
    return row if row.set_by == "guard" else None


async def test_a_sweep_measures_and_writes_what_it_chose(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "DELAYS_US", (0, 3000))
    monkeypatch.setattr(tuning, "INSTANCES", (1,))
    found = await tuning.measure(publisher, SEGMENTER, ignore_report, seconds=0.5)
    assert [(row.delay_us, row.instances) for row in found] == [(0, 1), (3000, 1)]
    assert all(row.calls_a_second > 1 and row.alone_ms > 1 for row in found)
    before = await publisher.repository.config(SEGMENTER)
    await tuning.apply(publisher, SEGMENTER, tuning.BatchSetting(3000, 1, 1.0, 1.0, 1.0))
    assert b"max_queue_delay_microseconds: 3000" in await publisher.repository.config(SEGMENTER)
    assert await publisher.control.ready(SEGMENTER, 1)
    await publisher.repository.place_model(SEGMENTER, before)
    await publisher.control.reload(SEGMENTER)


def test_the_best_setting_is_the_shortest_answer_among_the_fast() -> None:
    slow, fast, quick = (
        tuning.BatchSetting(0, 1, 10.0, 20.0, 90.0),
        tuning.BatchSetting(2000, 1, 40.0, 30.0, 60.0),
        tuning.BatchSetting(1000, 2, 39.5, 25.0, 70.0),
    )
    assert tuning.best([slow, fast, quick]) == quick


async def test_a_version_is_published_into_a_bucket_and_taken_out_again(
    own: Stack, bucket: tuple[Any, Settings], tmp_path: Path
) -> None:
    """A Triton that reads its repository from S3 serves what is put there."""
    s3, keys = bucket
    shipped = ROOT / "model_repository"
    for path in shipped.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            s3.put_object(Bucket="models", Key=f"prod/{path.relative_to(shipped)}", Body=path.read_bytes())
    endpoint = str(keys.s3_endpoint).removeprefix("http://")
    spec = await asyncio.to_thread(triton_server.triton, tmp_path, f"s3://{endpoint}/models/prod")
    access = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
    key = SecretStr(secret(tmp_path, "triton"))
    process, url = Process(replace(spec, env=spec.env | access)), f"{HOST}:{spec.port}"
    await process.start()
    try:
        await process.until_ready(partial(triton_ready, url))
        async with open_services(settings_for(own)) as services, open_control(url, key) as control:
            infer = await TritonInfer.connect(url, 30)
            publisher = Publisher(services, open_repository("s3://models/prod", keys), control, infer)
            version = await put_in(publisher, networks.other(0.99))
            assert version in await publisher.repository.versions(SEGMENTER)
            eye = next(p.shown for p in load_golden(SEGMENTER, infer.segment_px) if p.mask is not None)
            assert await infer.pinned({SEGMENTER: str(version)}).preview(eye) is not None
            await withdraw(publisher, SEGMENTER, version)
            await until(lambda: _gone(publisher, version))
            await infer.aclose()
    finally:
        await process.stop()


async def test_only_operators_may_look_and_change(own: Stack) -> None:
    from orchestrator.auth.tokens import make_token
    from orchestrator.embedded.stack import DEVELOPER

    token = make_token(DEVELOPER, own.env["IRISVUE_JWT_SECRET"], scope="models:read photos")
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=own.url, headers=headers, trust_env=False) as client:
        for answer in (
            await client.get("/api/v1/models"),
            await client.put("/api/v1/models/iris_unet/route", json={"shares": {"1": 100}}),
            await client.post("/api/v1/models/iris_unet/rollback"),
        ):
            assert answer.status_code == 403 and "models:write" in answer.json()["detail"]


def test_settings_name_a_repository(own: Stack) -> None:
    config: Settings = settings_for(own)
    assert Path(config.model_repository).parent == own.folder, "what is shipped is never changed"


@pytest.mark.parametrize(("page", "count"), [("docs/models.md", 4), ("README.md", 1)])
async def test_every_command_on_models_runs(
    own: Stack, publisher: Publisher, client: httpx.AsyncClient, eye_jpeg: bytes, tmp_path: Path, page: str, count: int
) -> None:
    """Its blocks are run in order on a stack on which version 2 is not promoted."""
    await routing.set_route(publisher.services, SEGMENTER, routing.Shares({"1": 100}), "tester")
    (tmp_path / "irisvue-data").symlink_to(own.folder)
    (tmp_path / "candidate").mkdir()
    (tmp_path / "candidate" / "model.onnx").write_bytes(networks.other(0.995))
    (tmp_path / "candidate" / "MODEL.md").write_text("# A candidate\n")
    blocks = re.findall(
        r"<!-- run by test_publish.py( after a job)? -->\n```sh\n(.*?)```", (ROOT / page).read_text(), re.S
    )
    assert len(blocks) == count
    version = ""
    for after_a_job, block in blocks:
        if after_a_job:
            await ended(client, await submitted(client, eye_jpeg))
            await until(partial(_ran, publisher, version))
        for line in block.splitlines():
            line = line.partition("#")[0].replace("--card", "--slower 100 --card")
            said = await _run(re.sub(r"(iris_unet (?:1=90 )?)2\b", rf"\g<1>{version or 2}", line), tmp_path)
            if "publish" in line:
                version = re.search(r"iris_unet (\d+) is loaded", said)[1]  # type: ignore[index]
    assert (tmp_path / "candidate.jpg").stat().st_size > 10_000
    assert (tmp_path / "shadow.png").exists() == ("shadows" in str(blocks))


async def _ran(publisher: Publisher, version: str) -> bool:
    async with publisher.services.db() as session:
        return bool(await db.rollout.shadow_runs(session, SEGMENTER, version))


async def _run(line: str, folder: Path) -> str:
    pipe, words = asyncio.subprocess.PIPE, shlex.split(line)
    assert words.pop(0) == "irisvue"
    argv = [sys.executable, "-m", "orchestrator.cli", *words]
    process = await asyncio.create_subprocess_exec(*argv, cwd=folder, stdout=pipe, stderr=asyncio.subprocess.STDOUT)
    said = (await process.communicate())[0].decode()
    assert process.returncode == 0, f"{line}: {said}"
    return said


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("irisvue models publish iris_unet none.onnx --card none.md", "There is no file none.onnx"),
        ("irisvue models route iris_unet 1=50", "must add up to 100; 1=50 make 50"),
        ("irisvue models route iris_unet 1=50 1=50", "name each version once"),
        ("irisvue models route iris_unet one", "as in 2=90 3=10"),
        ("irisvue models promote iris_unet 99", "iris_unet has no version 99; there are 1"),
        ("irisvue models promote none 1", "There is no model none"),
        ("irisvue models shadows iris_unet 99", "Try: irisvue models shadow iris_unet 99"),
        ("irisvue models unload iris_unet 1", "iris_preview names iris_unet 1"),
        ("irisvue models list --data nowhere", "No `irisvue up` has run on nowhere"),
    ],
)
async def test_a_wrong_command_says_what_to_do(own: Stack, tmp_path: Path, line: str, words: str) -> None:
    (tmp_path / "irisvue-data").symlink_to(own.folder)
    with pytest.raises(AssertionError, match=re.escape(words)):
        await _run(line, tmp_path)


async def test_only_who_has_the_key_may_load_or_unload(own: Stack, publisher: Publisher) -> None:
    config = settings_for(own)
    assert config.triton_control_key
    for key in (None, SecretStr("0" * 64)):
        async with open_control(config.triton_url, key) as control:
            with pytest.raises(Refused, match="IRISVUE_TRITON_CONTROL_KEY"):
                await control.reload(SEGMENTER)
            assert await control.ready(SEGMENTER, 1), "who only asks for pictures needs none"
    await publisher.control.reload(SEGMENTER)
    worker = Path(f"/proc/{own.processes['worker-1'].pid}/environ").read_bytes()
    assert b"IRISVUE_TRITON_URL" in worker and b"CONTROL_KEY" not in worker
