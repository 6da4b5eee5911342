"""`docker-compose.yml` really run, as an operator runs it: `make test-containers`. The tests go in this order.

A person's photo, ports, isolation, kills, what docs/operators.md marks as run by test_containers.py, a stop, a restore,
and an upgrade of an older release's volumes.
"""

import json
import re
import socket
import threading
import time
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from irisvue import Client
from orchestrator.auth.tokens import make_token
from orchestrator.config import ROOT
from orchestrator.publishing.shipped import Shipped
from tests.containers import images, reach
from tests.containers.engine import Engine
from tests.containers.installation import SECRETS, Installation, until, write_env
from tests.containers.person import URL, Person, Processed

pytestmark = pytest.mark.timeout(900)
ENHANCER = "realesrgan"


@pytest.fixture(scope="session")
def processed(person: Person, photo: bytes) -> Processed:
    return person.process(photo)


def test_a_photo_goes_the_whole_way(processed: Processed) -> None:
    assert processed.job.status == "completed"
    assert processed.statuses[0] in ("pending", "processing") and processed.statuses[-1] == "completed"
    assert processed.picture.startswith(b"\xff\xd8") and len(processed.picture) > 10_000


def test_every_published_port_answers_on_the_host(installation: Installation, processed: Processed) -> None:
    with httpx.Client(timeout=10, trust_env=False) as http:
        assert http.get(f"{URL}/health/ready").status_code == 200
        assert http.get("http://localhost:8333/").status_code in (200, 403)
        assert http.get("http://localhost:9090/-/ready").status_code == 200
        if "grafana" in installation.services():
            assert http.get("http://localhost:3000/api/health").status_code == 200
            assert http.get("http://localhost:16686/").status_code == 200

        def scraped() -> bool:
            targets = http.get("http://localhost:9090/api/v1/targets").json()["data"]["activeTargets"]
            health = {(target["scrapePool"], target["health"]) for target in targets}
            return {pool for pool, _ in health} == {"irisvue-api", "irisvue-worker", "triton"} and {
                h for _, h in health
            } == {"up"}

        def cut_out() -> bool:
            query = 'nv_inference_request_success{model="iris_cutout"} > 0'
            answer = http.get("http://localhost:9090/api/v1/query", params={"query": query}).json()
            return bool(answer["data"]["result"])

        until(scraped, "Prometheus does not read every part", installation, "prometheus")
        until(cut_out, "Triton has made no preview", installation, "triton")


def test_each_container_reaches_what_it_needs_and_no_more(installation: Installation) -> None:
    services = ["postgres", "redis", "s3", "triton", "api", "worker", "prometheus"]
    for service in services:
        reached, way_out = reach.look_from(installation, service)
        may_reach = {where for where, who in reach.MAY_REACH.items() if service in who}
        if installation.engine.podman and way_out:  # unlike Docker, it routes between networks that are not internal
            may_reach |= reached & {("s3", 9333)}
        assert reached == may_reach, service
        assert way_out is (service not in reach.NO_WAY_OUT), service


@pytest.mark.parametrize("service", ["migrate", "api", "worker"])
def test_every_line_of_a_log_is_json(installation: Installation, processed: Processed, service: str) -> None:
    lines = installation.logs(service).splitlines()
    assert lines and all(isinstance(json.loads(line), dict) for line in lines)


@pytest.mark.parametrize("killed", ["worker", "postgres"])
def test_no_job_is_lost_when_a_part_is_killed(
    installation: Installation, person: Person, photo: bytes, killed: str
) -> None:
    ended: list[Processed] = []
    threads = [threading.Thread(target=lambda: ended.append(person.process(photo))) for _ in range(2)]
    for thread in threads:
        thread.start()
    time.sleep(2)  # in the middle of them
    installation.engine.kill(installation.engine.container(killed))
    for thread in threads:
        thread.join()
    assert [done.job.status for done in ended] == ["completed"] * 2
    installation.wait_for([killed, "api"])


@pytest.mark.parametrize(
    ("image", "base", "megabytes"),
    [("irisvue-api", "python", 250), ("irisvue", "python", 450), ("irisvue-triton", "tritonserver", 170)],
)
def test_images_are_small(installation: Installation, image: str, base: str, megabytes: int) -> None:
    """Above their base; Triton's has 150 for Python's packages, and the shipped networks."""
    if not installation.engine.podman:
        installation.engine("pull", "-q", images.STAND_INS[base], limit_s=600)
    sizes = [installation.engine.size_bytes(tag) for tag in (image, images.STAND_INS[base])]
    assert sizes[0] - sizes[1] < megabytes * 1e6


@pytest.fixture(scope="session")
def candidate(installation: Installation) -> Path:
    """A folder `mine` with a network to publish: the shipped one with another name inside."""
    import onnx

    folder = installation.folder / "mine"
    folder.mkdir()
    network = onnx.load(str(ROOT / f"model_repository/{ENHANCER}/1/model.onnx"))
    network.graph.doc_string = "a candidate"
    onnx.save(network, str(folder / "model.onnx"))
    (folder / "MODEL.md").write_bytes((ROOT / f"model_repository/{ENHANCER}/MODEL.md").read_bytes())
    return folder


def test_a_network_is_published_routed_and_rolled_back(
    installation: Installation, candidate: Path, person: Person, photo: bytes
) -> None:
    said = installation.follow("publish")
    assert f"{ENHANCER} 2 is loaded" in said
    versions = person.process(photo).job.model_versions
    assert versions and versions[ENHANCER] == "2", "promoted"
    for _ in range(2):  # to the trial of 90 and 10 percent, and to what was before it
        installation.follow("roll back")
    versions = person.process(photo).job.model_versions
    assert versions and versions[ENHANCER] == "1"


def test_operators_commands_run(installation: Installation, photo: bytes) -> None:
    somebody = Person(make_token(uuid4(), SECRETS["JWT_SECRET"].strip("'")))
    done = somebody.process(photo)
    said = installation.follow("upkeep", USER_ID=somebody.id, TOKEN=somebody.token)
    assert "would delete" in said and done.job.job_id in said and "operator:" in said
    assert (installation.folder / "theirs.zip").stat().st_size > len(done.picture)
    with Client(URL, somebody.token) as client:
        assert list(client.photos()) == [], "erased"


def test_a_backup_is_made_while_it_runs(installation: Installation, processed: Processed) -> None:
    installation.follow("backup")
    saved = {path.name: path.stat().st_size for path in (installation.folder / "backup").iterdir()}
    assert set(saved) == {"irisvue.dump", "objects.tar", "models.tar"} and all(size > 10_000 for size in saved.values())


def test_a_stop_with_open_streams_kills_nothing(installation: Installation, person: Person, photo: bytes) -> None:
    def watch() -> None:
        with httpx.stream(
            "GET", f"{URL}/api/v1/processing/events", headers=headers, timeout=60, trust_env=False
        ) as answer:
            opened.release()
            for _ in answer.iter_bytes():
                pass

    headers, opened = {"Authorization": f"Bearer {person.token}"}, threading.Semaphore(0)
    watchers = [threading.Thread(target=watch, daemon=True) for _ in range(3)]
    for watcher in watchers:
        watcher.start()
    for _ in watchers:
        assert opened.acquire(timeout=30)
    with Client(URL, person.token) as client:
        client.submit(person.upload(photo))
    installation.compose("stop")
    status = {name: exit_status(installation, name) for name in installation.services()}
    assert 137 not in status.values(), f"killed: {status}"
    for watcher in watchers:
        watcher.join(10)
        assert not watcher.is_alive()


def test_a_port_in_use_is_named(installation: Installation) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", 9090))
        taken.listen()
        done = installation.engine.run("start", installation.engine.container("prometheus"))
    assert done.returncode and b"9090" in done.stderr and b"in use" in done.stderr, done.stderr


def exit_status(installation: Installation, service: str) -> int:
    return int(installation.engine("inspect", "-f", "{{.State.ExitCode}}", installation.engine.container(service)))


def test_a_restore_on_an_empty_machine(
    installation: Installation, person: Person, processed: Processed, photo: bytes
) -> None:
    installation.down()
    installation.follow("restore")
    installation.up()
    assert person.result(processed.job) == processed.picture
    assert person.process(photo).job.status == "completed"


def test_a_disk_that_fills_while_models_are_brought_is_named(installation: Installation) -> None:
    """Of the 256 MiB of /tmp, 4 are left; the models have more."""
    script = (
        "mkdir /tmp/models; head -c 252M /dev/zero >/tmp/filled;"
        "IRISVUE_MODEL_REPOSITORY=/tmp/models irisvue migrate --models"
    )
    words = ["compose", "run", "--rm", "--no-deps", "--entrypoint", "sh", "migrate", "-c", script]
    done = installation.engine.run(*words, cwd=installation.folder)
    said = (done.stdout + done.stderr).decode()
    assert done.returncode and "could not be written: No space left on device" in said, said


def test_a_database_of_a_newer_release_is_left_alone(installation: Installation) -> None:
    sql = "UPDATE alembic_version SET version_num = '9999'"
    psql = ["exec", "-T", "postgres", "psql", "-q", "-U", "irisvue", "-c", sql]
    installation.compose(*psql)
    done = installation.engine.run("compose", "run", "--rm", "--no-deps", "migrate", cwd=installation.folder)
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 0 and "of a newer release" in said, said


@pytest.mark.parametrize("secret", SECRETS)
def test_a_missing_secret_is_named_and_nothing_starts(containers: Engine, tmp_path: Path, secret: str) -> None:
    for name in ("docker-compose.yml", ".env.example"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    write_env(tmp_path, {name: value for name, value in SECRETS.items() if name != secret})
    done = containers.run("compose", "config", cwd=tmp_path)
    said = (done.stdout + done.stderr).decode()
    assert done.returncode and secret in said and "set it in .env" in said


def test_volumes_of_the_last_release_are_upgraded(
    containers: Engine, older: Path, installation: Installation, photo: bytes
) -> None:
    installation.down()
    for folder in (older, installation.folder):
        write_env(folder, {name: re.sub(r"\W", "", value) for name, value in SECRETS.items()})
    images.build_stand_ins(containers, older)
    images.build_project(containers, older)
    before = Installation(containers, older)
    before.up()
    person = Person(before.token())
    old = person.process(photo)
    before.down(keep_volumes=True)
    images.build_stand_ins(containers)
    images.build_project(containers, installation.folder)
    installation.up()
    assert person.result(old.job) == old.picture
    had, expected = (old.job.model_versions or {})["iris_unet"], version_after(older)
    assert (f"iris_unet {expected} was added" in installation.logs("migrate")) is (expected != had)

    def follows() -> bool:
        return (person.process(photo).job.model_versions or {})["iris_unet"] == expected

    until(follows, "jobs stay on the older network", installation, "worker")


def version_after(older: Path) -> str:
    """The segmenter's version in a repository of an older release that this one was brought to."""
    networks = [Shipped(folder / "model_repository").network("iris_unet") for folder in (older, ROOT)]
    (had, theirs), (newest, ours) = [network or (0, b"") for network in networks]
    return str(had if ours == theirs else max(newest, had + 1))
