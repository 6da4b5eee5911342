"""Publishing on a server with another configuration: TensorRT plans, as on a GPU, built on the server itself.

Neither is here, so ONNX Runtime stands in for Triton's TensorRT backend, and small programs for `trtexec` and
`nvidia-smi`. The server is real, and its profile `cpu-alt` is configs/gpu.pbtxt for a CPU.
"""

import asyncio
import hashlib
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import delete

from export.conversion.tensorrt import kept_plan
from orchestrator.config import ROOT
from orchestrator.db.tables import ModelRoute, ModelVersion
from orchestrator.embedded import triton_server
from orchestrator.embedded.data_folder import secret
from orchestrator.embedded.ports import HOST
from orchestrator.embedded.ready import triton_ready
from orchestrator.embedded.supervisor import Process
from orchestrator.errors import NotFound, Refused
from orchestrator.inference.protocol import ENHANCER, SEGMENTER
from orchestrator.inference.triton import TritonInfer
from orchestrator.publishing import tuning
from orchestrator.publishing.golden import load_golden
from orchestrator.publishing.publish import publish
from orchestrator.publishing.publisher import Publisher
from orchestrator.publishing.repository import FolderRepository
from orchestrator.publishing.triton_control import open_control
from orchestrator.publishing.tuning import BatchSetting
from orchestrator.publishing.withdraw import restore, withdraw
from orchestrator.reporting import ignore_report
from orchestrator.rollout import routing
from tests import networks
from tests.integration.publishing.versions import UNTIMED, candidate, unloaded
from tests.waiting import until

pytestmark = pytest.mark.timeout(600)
PROFILE = "cpu-alt"
TRTEXEC = f"""#!{sys.executable}
import os, shutil, sys
from pathlib import Path
if "--help" in sys.argv:
    sys.exit("TensorRT v101500")
given = dict(a.lstrip("-").split("=", 1) for a in sys.argv[1:] if "=" in a)
home = Path(os.environ["PLANS"])
if (home / "broken").exists():
    sys.exit("out of memory")
wrong = home / "wrong.onnx"
shutil.copy(wrong if wrong.exists() else given["onnx"], given["saveEngine"])
"""


@dataclass(frozen=True)
class PlanServer:
    """A server of plans, and the folders of its repository and its plans."""

    publisher: Publisher
    models: Path
    plans: Path


def _repository(folder: Path) -> Path:
    models = folder / "models"
    shutil.copytree(ROOT / "model_repository", models)
    for name in (SEGMENTER, ENHANCER):
        gpu = (models / name / "configs" / "gpu.pbtxt").read_text()
        for_a_cpu = re.sub(r"optimization \{.*\}\n", "", gpu).replace("KIND_GPU", "KIND_CPU")
        (models / name / "configs" / f"{PROFILE}.pbtxt").write_text(for_a_cpu)
        (models / name / "1" / "model.onnx").rename(models / name / "1" / "model.plan")
    return models


def _programs(folder: Path) -> Path:
    programs = folder / "bin"
    programs.mkdir()
    for name, text in {"trtexec": TRTEXEC, "nvidia-smi": "#!/bin/sh\necho NVIDIA L4\n"}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    return programs


@asynccontextmanager
async def _plan_server(folder: Path, publisher: Publisher) -> AsyncIterator[PlanServer]:
    models, plans, programs = _repository(folder), folder / "plans", _programs(folder)
    plans.mkdir()
    spec = await asyncio.to_thread(triton_server.triton, folder, str(models))
    backends = folder / "triton" / "backends"
    shutil.copytree(backends / "onnxruntime", backends / "tensorrt")
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    env = spec.env | {"PLANS": str(plans), "PATH": path}
    argv = [argument for argument in spec.argv if not argument.startswith("--model-config-name")]
    process = Process(replace(spec, argv=[*argv, f"--model-config-name={PROFILE}"], env=env))
    url = f"{HOST}:{spec.port}"
    await process.start()
    try:
        await process.until_ready(partial(triton_ready, url))
        async with open_control(url, SecretStr(secret(folder, "triton"))) as control:
            infer = await TritonInfer.connect(url, 30)
            yield PlanServer(
                replace(publisher, repository=FolderRepository(models), control=control, infer=infer), models, plans
            )
            await infer.aclose()
    finally:
        await process.stop()


async def test_plans_are_built_on_the_server_published_tuned_and_withdrawn(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _plan_server(tmp_path, publisher) as server:
        await _is_refused(server)
        await _servers_of_two_kinds_are_refused(server)
        version = await _is_published(server)
        await _is_tuned(server)
        await withdraw(server.publisher, SEGMENTER, version)
        await until(partial(unloaded, server.publisher, version))
        await restore(server.publisher, SEGMENTER, version)
        assert await server.publisher.control.ready(SEGMENTER, version)
        await _a_plan_is_taken_as_it_is(server)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    onnx = server.models / SEGMENTER / str(version) / "model.onnx"
    assert not kept_plan(SEGMENTER, onnx, server.plans)[1], "the next start finds the plan"
    await _forget_versions_that_only_this_server_had(publisher)


async def _forget_versions_that_only_this_server_had(publisher: Publisher) -> None:
    """The database is that of the other tests, whose server has another repository."""
    there = await publisher.repository.versions(SEGMENTER)
    async with publisher.services.db.begin() as session:
        await session.execute(delete(ModelRoute))
        versions = delete(ModelVersion).where(ModelVersion.name == SEGMENTER)
        await session.execute(versions.where(ModelVersion.version.notin_(list(there))))


async def _is_refused(server: PlanServer) -> None:
    before = await server.publisher.repository.versions(SEGMENTER)
    data = networks.other(0.994)
    for name, content, words in (
        ("broken", b"", "out of memory"),
        ("wrong.onnx", networks.blind(), r"answers otherwise than model\.onnx: apart by [\d.]+, allowed 0\.03"),
    ):
        (server.plans / name).write_bytes(content)
        with pytest.raises(Refused, match=words):
            await publish(server.publisher, candidate(data), UNTIMED)
        (server.plans / name).unlink()
    for path in server.plans.rglob("*.plan"):
        path.unlink()  # that of the wrong network
    with pytest.raises(NotFound, match="no model none"):
        await publish(server.publisher, candidate(data, "none"), UNTIMED)
    assert await server.publisher.repository.versions(SEGMENTER) == before == {1: ["model.plan"]}


async def _servers_of_two_kinds_are_refused(server: PlanServer) -> None:
    other = server.publisher.services.settings.triton_url
    async with open_control(f"{server.publisher.control.first},{other}") as control:
        with pytest.raises(
            Refused, match=r"model\.plan \(tensorrt\) on \S+ and model\.onnx \((onnxruntime|openvino)\) on "
        ):
            await publish(replace(server.publisher, control=control), candidate(networks.other()))


async def _is_published(server: PlanServer) -> int:
    data = networks.other(0.993)
    words = []
    outcome = await publish(server.publisher, candidate(data), UNTIMED, report=lambda *each: words.append(each[0]))
    assert outcome.version, outcome.comparison.criteria
    assert "Building a TensorRT plan on the server (minutes)" in words
    folder = server.models / SEGMENTER / str(outcome.version)
    assert sorted(path.name for path in folder.iterdir()) == ["model.onnx", "model.plan"]
    assert (folder / "model.onnx").read_bytes() == data
    (kept,) = server.plans.glob("nvidia-l4-tensorrt-101500/*.plan")
    assert kept.name == f"{SEGMENTER}-{hashlib.sha256(data).hexdigest()[:16]}.plan"

    infer = server.publisher.infer.pinned({SEGMENTER: str(outcome.version)})
    eye = next(p.image for p in load_golden(SEGMENTER, infer.segment_px) if p.mask is not None)
    assert await infer.preview(eye) is not None, "there is an ensemble of the new version"
    services = server.publisher.services
    await routing.set_route(services, SEGMENTER, routing.Shares({str(outcome.version): 100}), "tester")
    assert (await routing.rollback(services, SEGMENTER, "tester")).shares == {"1": 100}
    return outcome.version


async def _is_tuned(server: PlanServer) -> None:
    folder = server.models / SEGMENTER
    untouched = (folder / "config.pbtxt").read_bytes(), (folder / "configs" / "gpu.pbtxt").read_bytes()
    (measured,) = await tuning.measure(server.publisher, SEGMENTER, ignore_report, (500,), (1,), duration_s=0.5)
    assert measured.calls_a_second > 0
    path = await tuning.apply(server.publisher, SEGMENTER, BatchSetting(3000, 2, 1.0, 1.0, 1.0))
    assert path == f"configs/{PROFILE}.pbtxt"
    config = await server.publisher.control.config(SEGMENTER)
    assert config.dynamic_batching.max_queue_delay_microseconds == 3000 and config.instance_group[0].count == 2
    assert "count: 1 } ] priority: 1" in (folder / path).read_text(), "the resource's count is another one"
    assert ((folder / "config.pbtxt").read_bytes(), (folder / "configs" / "gpu.pbtxt").read_bytes()) == untouched


async def _a_plan_is_taken_as_it_is(server: PlanServer) -> None:
    outcome = await publish(
        server.publisher, candidate(networks.other(0.992), filename="model.plan"), UNTIMED, report=ignore_report
    )
    assert outcome.version, outcome.comparison.criteria
    folder = server.models / SEGMENTER / str(outcome.version)
    assert [path.name for path in folder.iterdir()] == ["model.plan"]
