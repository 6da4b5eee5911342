"""How NVIDIA Triton is prepared and started on this machine, on loopback and inside one folder."""

import os
import secrets
import shutil
import sys
import sysconfig
from pathlib import Path

from orchestrator.config import ROOT
from orchestrator.embedded import libpython
from orchestrator.embedded.data_folder import secret
from orchestrator.embedded.ports import HOST, free_port
from orchestrator.embedded.profile import CPU, profile
from orchestrator.embedded.servers import make_executable, package_folder
from orchestrator.embedded.supervisor import NETWORKS_NICENESS, ProcessSpec
from orchestrator.errors import SetupError

OWN_BACKENDS = ("onnxruntime", "openvino")

# Without these limits glibc keeps the memory of a model version after it is unloaded: about 50 MB each time (measured).
RETURN_FREED_MEMORY = {
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_TRIM_THRESHOLD_": "131072",
    "MALLOC_MMAP_THRESHOLD_": "131072",
}


def check_libpython() -> None:
    """Raises SetupError with the command that installs it if Triton's stub lacks its Python library."""
    if lacking := libpython.missing():
        command = f"sudo apt-get install -y {libpython.PACKAGE}"
        raise SetupError(f"Triton needs {lacking}. Run: {command}   (or add: --inference local)")


def triton(folder: Path, repository: Path | str) -> ProcessSpec:
    """NVIDIA Triton on loopback ports, serving `repository` (a folder, or s3://…) with explicit model control."""
    wheel = package_folder("pytriton")
    server = wheel / "tritonserver"
    program = server / "bin" / "tritonserver"
    make_executable(program)
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
        "--grpc-http2-max-ping-strikes=0",  # or a call of over a minute is cut off for its keepalive pings
        "--allow-metrics=true",
        f"--metrics-address={HOST}",
        f"--metrics-port={metrics_port}",
        "--log-verbose=0",
        f"--grpc-restricted-protocol=model-repository,shared-memory,trace,logging:irisvue={secret(folder, 'triton')}",
    ]
    if (served := profile()) != CPU:
        argv.append(f"--model-config-name={served}")
    if endpoint := os.environ.get("IRISVUE_OTLP_ENDPOINT"):
        argv += [f"--trace-config={option}" for option in _trace_options(endpoint)]
    return ProcessSpec(
        "triton",
        argv,
        folder / "logs" / "triton.log",
        _environment(wheel),
        port,
        metrics_port=metrics_port,
        leftovers=f"{prefix}*",
        niceness=NETWORKS_NICENESS,
    )


def _backends(folder: Path, server: Path) -> Path:
    """The backend folder: the wheel's Python backend with this Python's stub, and ours on top of it."""
    backends = folder / "triton" / "backends"
    shutil.rmtree(backends, ignore_errors=True)
    (backends / "python").mkdir(parents=True)
    stub = server / "python_backend_stubs" / libpython.PYTHON / "triton_python_backend_stub"
    backend = [path for path in (server / "backends" / "python").iterdir() if path.is_file()]
    for source in [*backend, stub]:
        shutil.copy2(source, backends / "python" / source.name)
    (backends / "python" / stub.name).chmod(0o755)
    for name in OWN_BACKENDS:
        shutil.copytree(Path(__file__).parent / "backends" / name, backends / name)
    return backends


def _trace_options(endpoint: str) -> list[str]:
    """Send Triton's own spans to the collector, under the spans of the worker's calls."""
    collector = f"opentelemetry,url={endpoint.rstrip('/')}/v1/traces"
    return ["mode=opentelemetry", "level=TIMESTAMPS", "rate=1", collector, "opentelemetry,resource=service.name=triton"]


def _environment(wheel: Path) -> dict[str, str]:
    libraries = [str(wheel.parent / "nvidia_pytriton.libs"), sysconfig.get_config_var("LIBDIR") or ""]
    return {
        "LD_LIBRARY_PATH": ":".join(filter(None, [*libraries, os.environ.get("LD_LIBRARY_PATH", "")])),
        # The stub takes the standard library of the first python3 on PATH, which may be another one's.
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
        "PYTHONPATH": f"{wheel.parent}:{ROOT}",
        "ORT_DISABLE_TELEMETRY": "1",
        **RETURN_FREED_MEMORY,
    }
