"""Two APIs and two Tritons behind HAProxy, three workers: each is killed in turn under load, and no user notices."""

import asyncio
import os
import shutil
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
import pytest
from tritonclient.grpc.aio import InferenceServerClient

from irisvue import AsyncClient
from orchestrator.config import ROOT
from orchestrator.embedded import triton_server
from orchestrator.embedded.ports import HOST, free_port, listens
from orchestrator.embedded.ready import triton_ready
from orchestrator.embedded.stack import Options, Stack, open_stack
from orchestrator.embedded.supervisor import Process, ProcessSpec
from orchestrator.inference.protocol import ENHANCER
from tests.waiting import until

USERS, WORKERS = 3, 3
CONFIG = """
defaults
  mode http
  timeout connect 2s
  timeout client 5m
  timeout server 5m
  timeout check 2s
  retries 3
  retry-on conn-failure
  option redispatch
frontend api
  bind {host}:{api}
  default_backend apis
backend apis
  option httpchk GET /health/ready
  default-server check inter 200ms fall 2 rise 1 on-marked-down shutdown-sessions
  server one {host}:{api_1}
  server two {host}:{api_2}
frontend triton
  bind {host}:{triton} proto h2
  default_backend tritons
backend tritons
  balance roundrobin
  default-server check inter 200ms fall 1 rise 1 proto h2
  server one {host}:{triton_1}
  server two {host}:{triton_2}
"""


@dataclass
class Everything:
    """The balancer's address, and every process that may be killed with a check that it is ready again."""

    url: str
    stack: Stack
    tritons: list[Process]
    parts: dict[str, tuple[Process, Callable[[], Awaitable[bool]]]] = field(default_factory=dict)


@asynccontextmanager
async def kept(process: Process, ready: Callable[[], Awaitable[bool]]) -> AsyncIterator[None]:
    """Keep a process running: it is started again whenever it ends."""
    await process.start()
    keeper = asyncio.create_task(process.keep_running())
    try:
        await process.until_ready(ready)
        yield
    finally:
        keeper.cancel()
        await process.stop()


async def answers(url: str) -> bool:
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=2) as http:
            return (await http.get(f"{url}/health/ready")).status_code == 200
    except httpx.HTTPError:
        return False


async def balancer(folder: Path, **ports: int) -> Process:
    program = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        if "CI" in os.environ:
            pytest.fail("CI must have HAProxy.")
        pytest.skip("HAProxy is not installed: sudo apt-get install -y haproxy")
    path = folder / "haproxy.cfg"
    path.write_text(CONFIG.format(host=HOST, **ports))
    return Process(ProcessSpec("haproxy", [program, "-db", "-f", str(path)], folder / "haproxy.log", port=ports["api"]))


@pytest.fixture
async def everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Everything]:
    for name, value in {"LEASE_S": "3", "SWEEP_EVERY_S": "0.5", "WAITING_S": "2", "RETRY_DELAY_S": "0.5"}.items():
        monkeypatch.setenv(f"IRISVUE_{name}", value)
    async with AsyncExitStack() as running:
        tritons = []
        for name in ("triton-1", "triton-2"):
            (tmp_path / name / "logs").mkdir(parents=True)
            tritons.append(
                Process(await asyncio.to_thread(triton_server.triton, tmp_path / name, ROOT / "model_repository"))
            )
        ready = [partial(triton_ready, f"{HOST}:{process.spec.port}") for process in tritons]
        await asyncio.gather(*(running.enter_async_context(kept(p, r)) for p, r in zip(tritons, ready, strict=True)))
        ports = {name: free_port() for name in ("api", "api_1", "api_2", "triton")}
        own = {f"triton_{number}": process.spec.port or 0 for number, process in enumerate(tritons, 1)}
        proxy = await balancer(tmp_path, **ports, **own)
        await running.enter_async_context(kept(proxy, partial(listens, ports["triton"])))
        url = f"http://{HOST}:{ports['api']}"
        monkeypatch.setenv("IRISVUE_PUBLIC_URL", url)
        options = Options(tmp_path / "stack", ports["api_1"], WORKERS, triton=f"{HOST}:{ports['triton']}")
        stack = await running.enter_async_context(open_stack(options))
        keeper = asyncio.create_task(stack.keep_running())
        running.callback(keeper.cancel)
        argv = [sys.executable, "-m", "orchestrator.cli", "api", "--port", str(ports["api_2"])]
        second = Process(ProcessSpec("api-2", argv, tmp_path / "api-2.log", stack.env, ports["api_2"]))
        second_ready = partial(answers, f"http://{HOST}:{ports['api_2']}")
        await running.enter_async_context(kept(second, second_ready))
        running_parts = Everything(url, stack, tritons)
        running_parts.parts = {
            "api-1": (stack.processes["api"], partial(answers, stack.url)),
            "api-2": (second, second_ready),
        }
        for number in range(1, WORKERS + 1):
            process = stack.processes[f"worker-{number}"]
            running_parts.parts[f"worker-{number}"] = process, partial(ready_again, process)
        for number, (process, back) in enumerate(zip(tritons, ready, strict=True), 1):
            running_parts.parts[f"triton-{number}"] = process, back
        yield running_parts


async def ready_again(process: Process) -> bool:
    """Whether this worker has been started again and is ready."""
    return process.spec.log.read_bytes().count(b"worker ready") > 1


async def served(process: Process) -> int:
    client = InferenceServerClient(f"{HOST}:{process.spec.port}")
    statistics = await client.get_inference_statistics(ENHANCER, as_json=True)
    await client.close()
    return int(statistics["model_stats"][0].get("inference_count", 0))


@pytest.mark.timeout(280)
async def test_each_is_killed_in_turn_and_no_user_notices(everything: Everything, eye_jpeg: bytes) -> None:
    done: Counter[str] = Counter()
    attempts: Counter[int] = Counter()
    over = asyncio.Event()

    async def user(name: str) -> None:
        async with AsyncClient(everything.url, everything.stack.token) as client:
            while not over.is_set():
                job = await client.process(eye_jpeg)
                assert (await client.result(job)).startswith(b"\xff\xd8")
                attempts[int(job.raw["attempt_count"])] += 1
                done[name] += 1

    async with asyncio.TaskGroup() as users:
        working = [users.create_task(user(f"user {number}")) for number in range(USERS)]
        await until(lambda: at_least(done, USERS))
        assert all([await served(process) for process in everything.tritons]), "both take part"
        for process, back in everything.parts.values():
            before, pid = done.total(), process.pid
            os.kill(pid, signal.SIGKILL)
            await until(partial(another, process, pid))
            await until(back)
            await until(lambda at=before: at_least(done, at + 2))  # type: ignore[misc]
            assert not any(task.done() for task in working), "a user had to give up"
        over.set()
    assert min(done.values()) >= len(everything.parts) // 2 and len(done) == USERS
    assert attempts[1] > sum(attempts.values()) / 2, "most needed one attempt"


async def another(process: Process, pid: int) -> bool:
    return process.pid != pid


async def at_least(done: Counter[str], count: int) -> bool:
    return done.total() >= count
