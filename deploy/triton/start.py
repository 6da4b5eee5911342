"""Starts tritonserver in its container: on a GPU builds the networks' TensorRT plans first, and keeps them.

export/conversion/tensorrt.py builds them; nothing but the standard library is needed. Environment: MODEL_REPOSITORY
(/models; or s3://…), PLANS (/plans, keep it on a volume), PROFILE (cpu, gpu, gpu-onnx), OTLP_ENDPOINT (a collector of
traces, http://host:4318), CONTROL_KEY (sent with every call that loads or unloads models).
"""

import os
import sys
from pathlib import Path

from export.conversion.tensorrt import CannotBuild, prepare


def command(repository: Path | str, profile: str) -> list[str]:
    """How tritonserver is started: gRPC only, model control by name, metrics on a port of their own."""
    argv = [
        "tritonserver",
        f"--model-repository={repository}",
        "--model-control-mode=explicit",
        "--load-model=*",
        "--strict-readiness=true",
        "--allow-http=false",
        "--grpc-port=8001",
        "--metrics-port=8002",
    ]
    return argv if profile == "cpu" else [*argv, f"--model-config-name={profile}", "--rate-limit=execution_count"]


def traced(endpoint: str) -> list[str]:
    """The arguments that send the server's own spans to a collector."""
    to = f"opentelemetry,url={endpoint.rstrip('/')}/v1/traces"
    options = ["mode=opentelemetry", "level=TIMESTAMPS", "rate=1", to, "opentelemetry,resource=service.name=triton"]
    return [f"--trace-config={option}" for option in options]


def restricted(key: str) -> str:
    """The argument that leaves loading and unloading, and what else steers the server, to those who send the key."""
    return f"--grpc-restricted-protocol=model-repository,shared-memory,trace,logging:irisvue={key}"


def main() -> None:
    """Prepare, then become tritonserver."""
    repository, plans = os.environ.get("MODEL_REPOSITORY", "/models"), Path(os.environ.get("PLANS", "/plans"))
    profile = os.environ.get("PROFILE", "cpu")
    if profile not in ("cpu", "gpu", "gpu-onnx"):
        sys.exit(f"PROFILE is {profile!r}; it may be cpu, gpu or gpu-onnx.")
    if profile == "gpu":
        if "://" in repository:
            sys.exit(
                "Plans are built beside the ONNX files, so PROFILE=gpu needs a folder; in a bucket: PROFILE=gpu-onnx."
            )
        try:
            prepare(Path(repository), plans)
        except CannotBuild as error:
            sys.exit(f"{error}\nSet PROFILE=gpu-onnx (ONNX Runtime on the GPU) or PROFILE=cpu to go on.")
    argv = command(repository, profile)
    if endpoint := os.environ.get("OTLP_ENDPOINT"):
        argv += traced(endpoint)
    if key := os.environ.pop("CONTROL_KEY", ""):
        argv.append(restricted(key))
    os.execvp(argv[0], argv)  # noqa: S606


if __name__ == "__main__":
    main()
