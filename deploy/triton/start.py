"""Starts tritonserver in its container: on a GPU builds the networks' TensorRT plans first, and keeps them.

A plan fits one kind of GPU and one TensorRT version, so plans are kept in a folder by both, under the hash of the ONNX
file they were built from, and copied into the version folder that Triton serves. Runs with nothing but the standard
library. Environment: MODEL_REPOSITORY (/models; or s3://…), PLANS (/plans, keep it on a volume), PROFILE (cpu, gpu,
gpu-onnx), OTLP_ENDPOINT (a collector of traces, http://host:4318), CONTROL_KEY (what whoever loads models must send).
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

NETWORKS = {"iris_unet": ("image", 16), "realesrgan": ("tile", 8)}  # input and largest batch, as in configs/gpu.pbtxt
SIDE_PX = 256
TRTEXEC = ("trtexec", "/usr/src/tensorrt/bin/trtexec")


def gpu_name() -> str:
    """The first GPU's name, fit for a folder. Ends the program where there is none."""
    asked = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        found = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.splitlines()[0]  # noqa: S603
    except (OSError, subprocess.CalledProcessError, IndexError):
        sys.exit("No GPU is visible in this container. Run it with --gpus all, or set PROFILE=cpu.")
    return re.sub(r"[^A-Za-z0-9]+", "-", found).strip("-").lower()


def trtexec() -> str:
    """The program that builds plans. Ends the program where it is missing."""
    found = next((path for path in map(shutil.which, TRTEXEC) if path), None)
    if found is None:
        sys.exit("trtexec is not in this image, so no plan can be built. Set PROFILE=gpu-onnx.")
    return found


def tensorrt_version(program: str) -> str:
    """As the program says it: `TensorRT v101500` or `TensorRT.trtexec [TensorRT v101500]`."""
    said = subprocess.run([program, "--help"], capture_output=True, text=True, check=False)  # noqa: S603
    found = re.search(r"TensorRT v(\d+)", said.stdout + said.stderr)
    return found.group(1) if found else "unknown"


def build(program: str, onnx: Path, plan: Path, name: str) -> None:
    """Build one plan for batches from 1 to the largest. Ends the program with what trtexec said when it fails."""
    given, most = NETWORKS[name]
    shapes = [f"{given}:{n}x{SIDE_PX}x{SIDE_PX}x3" for n in (1, max(1, most // 2), most)]
    beside = plan.with_suffix(f".{os.getpid()}.part")
    argv = [program, f"--onnx={onnx}", f"--saveEngine={beside}", "--fp16", "--skipInference"]
    argv += [f"--{which}Shapes={shape}" for which, shape in zip(("min", "opt", "max"), shapes, strict=True)]
    print(f"building {plan} (minutes)", flush=True)
    done = subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode or not beside.exists():
        sys.exit(
            f"trtexec could not build {name}:\n{(done.stdout + done.stderr)[-3000:]}\nSet PROFILE=gpu-onnx to go on."
        )
    beside.rename(plan)


def prepare(repository: Path, plans: Path) -> int:
    """Put a plan beside every ONNX file of both networks; returns how many had to be built."""
    program, built = trtexec(), 0
    kept = plans / f"{gpu_name()}-tensorrt-{tensorrt_version(program)}"
    kept.mkdir(parents=True, exist_ok=True)
    for name in NETWORKS:
        for onnx in sorted((repository / name).glob("[0-9]*/model.onnx")):
            plan = kept / f"{name}-{hashlib.sha256(onnx.read_bytes()).hexdigest()[:16]}.plan"
            if not plan.exists():
                build(program, onnx, plan, name)
                built += 1
            shutil.copy(plan, onnx.with_name("model.plan"))
    return built


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
        prepare(Path(repository), plans)
    argv = command(repository, profile)
    if endpoint := os.environ.get("OTLP_ENDPOINT"):
        argv += traced(endpoint)
    if key := os.environ.pop("CONTROL_KEY", ""):
        argv.append(restricted(key))
    os.execvp(argv[0], argv)  # noqa: S606


if __name__ == "__main__":
    main()
