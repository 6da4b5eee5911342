"""Starts tritonserver in its container; with PROFILE=gpu it first builds the networks' TensorRT plans and keeps them.

export/conversion/tensorrt.py builds them; only the standard library is needed. Environment: MODEL_REPOSITORY (/models;
or s3://…), PLANS (/plans; keep it on a volume), PROFILE (cpu, cpu-bf16, gpu, gpu-onnx), FALLBACK (gpu-onnx: what
PROFILE=gpu becomes where no plan can be built; without it the start then fails), OTLP_ENDPOINT (a trace collector,
http://host:4318), CONTROL_KEY (must be sent with every call that loads or unloads models), GRPC_NAME (a name that only
one of the container's networks knows it by: gRPC listens there and nowhere else, metrics on all).
"""

import json
import os
import socket
import sys
from contextlib import redirect_stdout
from datetime import UTC, datetime
from io import TextIOBase
from pathlib import Path
from typing import NoReturn

from export.conversion.tensorrt import CannotBuild, prepare

# As orchestrator/embedded/triton_server.py has them: without these limits glibc keeps the memory of unloaded models.
RETURN_FREED_MEMORY = {
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_TRIM_THRESHOLD_": "131072",
    "MALLOC_MMAP_THRESHOLD_": "131072",
}


def say(detail: str, level: str = "info") -> None:
    """One JSON line, as the other processes of the service log. The server's own lines, which follow, are none."""
    line = {"detail": detail, "event": "triton start", "level": level, "timestamp": datetime.now(UTC).isoformat()}
    print(json.dumps(line), file=sys.stderr, flush=True)


def fail(detail: str) -> NoReturn:
    """End the start with these words."""
    say(detail, "critical")
    sys.exit(1)


class Said(TextIOBase):
    """Standard output while plans are built: each line becomes one of `say`."""

    def write(self, text: str) -> int:
        """A line, or its end."""
        if text.strip():
            say(text.strip())
        return len(text)


def command(repository: Path | str, profile: str) -> list[str]:
    """The command that starts tritonserver: gRPC only, explicit model control, metrics on a port of their own."""
    argv = [
        "tritonserver",
        f"--model-repository={repository}",
        "--model-control-mode=explicit",
        "--load-model=*",
        "--strict-readiness=true",
        "--allow-http=false",
        "--grpc-port=8001",
        "--grpc-http2-max-ping-strikes=0",  # or a call of over a minute is cut off for its keepalive pings
        "--metrics-port=8002",
    ]
    if profile == "cpu":
        return argv
    argv.append(f"--model-config-name={profile}")
    return argv if profile == "cpu-bf16" else [*argv, "--rate-limit=execution_count"]


def traced(endpoint: str) -> list[str]:
    """The arguments that send the server's own spans to a collector."""
    exporter = f"opentelemetry,url={endpoint.rstrip('/')}/v1/traces"
    options = [
        "mode=opentelemetry",
        "level=TIMESTAMPS",
        "rate=1",
        exporter,
        "opentelemetry,resource=service.name=triton",
    ]
    return [f"--trace-config={option}" for option in options]


def restricted(key: str) -> str:
    """The argument that allows loading, unloading and other control calls only with the key."""
    return f"--grpc-restricted-protocol=model-repository,shared-memory,trace,logging:irisvue={key}"


def address_of(name: str) -> str:
    """Which of this container's own addresses a name stands for. Raises OSError where it stands for none of them."""
    for *_, (address, *_) in socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM):
        try:
            with socket.socket() as own:
                own.bind((address, 0))
        except OSError:
            continue  # another replica's
        return str(address)
    raise OSError(f"{name} is no name of this container")


def with_plans(repository: str, plans: Path, fallback: str) -> str:
    """Build the plans, and return the profile to start with: gpu, or `fallback` where they can't be built."""
    try:
        if "://" in repository:
            raise CannotBuild("PROFILE=gpu builds plans beside the ONNX files, in a folder, and this is a bucket.")
        with redirect_stdout(Said()):  # type: ignore[type-var]
            prepare(Path(repository), plans)
    except CannotBuild as error:
        if not fallback:
            fail(f"{error}\nSet PROFILE=gpu-onnx (ONNX Runtime on the GPU) or PROFILE=cpu to start without plans.")
        say(f"{error}\nStarting with PROFILE={fallback} instead.", "warning")
        return fallback
    return "gpu"


def main() -> None:
    """Build the plans if needed, then replace this process with tritonserver."""
    repository, plans = os.environ.get("MODEL_REPOSITORY", "/models"), Path(os.environ.get("PLANS", "/plans"))
    profile = os.environ.get("PROFILE", "cpu")
    if profile not in ("cpu", "cpu-bf16", "gpu", "gpu-onnx"):
        fail(f"PROFILE is {profile!r}; it must be cpu, cpu-bf16, gpu or gpu-onnx.")
    fallback = os.environ.get("FALLBACK", "")
    if fallback not in ("", "gpu-onnx"):
        fail(f"FALLBACK is {fallback!r}; it must be gpu-onnx or empty.")
    if profile == "gpu":
        profile = with_plans(repository, plans, fallback)
    argv = command(repository, profile)
    if endpoint := os.environ.get("OTLP_ENDPOINT"):
        argv += traced(endpoint)
    if name := os.environ.get("GRPC_NAME"):
        try:
            argv.append(f"--grpc-address={address_of(name)}")
        except OSError as error:
            fail(f"GRPC_NAME is {name!r}: {error}. It must be an alias of this container in one of its networks.")
    if key := os.environ.pop("CONTROL_KEY", ""):
        argv.append(restricted(key))
    os.execvpe(argv[0], argv, RETURN_FREED_MEMORY | os.environ)  # noqa: S606


if __name__ == "__main__":
    main()
