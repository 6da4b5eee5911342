"""The production image, as far as it can be checked without a GPU or a Docker engine.

`trtexec` and `nvidia-smi` need a GPU; here small programs of the same name stand in for them.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.config import ROOT
from orchestrator.embedded.triton_server import RETURN_FREED_MEMORY
from orchestrator.publishing.signature import read_signature
from orchestrator.publishing.triton_control import CONTROL_HEADER

REPOSITORY = ROOT / "model_repository"
NETWORKS = ("iris_unet", "realesrgan")
TRTEXEC = """#!/bin/sh
[ "$1" = --help ] && echo "&&&& RUNNING TensorRT.trtexec [TensorRT v101500]" && exit 0
echo "$@" >> "$CALLS"
[ -n "$BROKEN" ] && echo "out of memory" && exit 1
for a in "$@"; do case $a in --saveEngine=*) echo plan > "${a#--saveEngine=}";; esac; done
"""


def environment(folder: Path, **extra: str) -> dict[str, str]:
    """A GPU's programs, two networks, and a tritonserver that prints its arguments."""
    programs = folder / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    for name, text in {
        "trtexec": TRTEXEC,
        "nvidia-smi": "#!/bin/sh\necho NVIDIA H100 80GB HBM3\n",
        "tritonserver": '#!/bin/sh\necho "served $@"; env | grep ^MALLOC_ | sort >&2\n',
    }.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    for name in NETWORKS:
        (folder / "models" / name / "1").mkdir(parents=True, exist_ok=True)
        (folder / "models" / name / "1" / "model.onnx").write_bytes(name.encode())
    paths = {"MODEL_REPOSITORY": str(folder / "models"), "PLANS": str(folder / "plans"), "CALLS": str(folder / "calls")}
    return os.environ | paths | {"PYTHONPATH": str(ROOT)} | {"PATH": f"{programs}:{os.environ['PATH']}"} | extra


def start(env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, str(ROOT / "deploy" / "triton" / "start.py")]
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=False)


def test_plans_are_built_once_for_a_gpu_and_a_version(tmp_path: Path) -> None:
    env = environment(tmp_path, PROFILE="gpu")
    done = start(env)
    assert done.returncode == 0, done.stderr
    assert "--model-config-name=gpu" in done.stdout and "--rate-limit=execution_count" in done.stdout
    calls = (tmp_path / "calls").read_text().splitlines()
    assert len(calls) == 2
    assert "--minShapes=image:1x256x256x3 --optShapes=image:8x256x256x3 --maxShapes=image:16x256x256x3" in calls[0]
    assert "tile:4x256x256x3" in calls[1] and "/timing.cache" in calls[1]
    kept = [path.name for path in (tmp_path / "plans").iterdir()]
    assert kept == ["nvidia-h100-80gb-hbm3-tensorrt-101500"]
    for name in NETWORKS:
        assert (tmp_path / "models" / name / "1" / "model.plan").read_text() == "plan\n"
    assert start(env).returncode == 0
    assert len((tmp_path / "calls").read_text().splitlines()) == 2, "kept from the first start"
    (tmp_path / "models" / "iris_unet" / "1" / "model.onnx").write_bytes(b"another")
    assert start(env).returncode == 0
    assert len((tmp_path / "calls").read_text().splitlines()) == 3


def test_a_plan_that_cannot_be_built_ends_the_start_with_the_reason(tmp_path: Path) -> None:
    done = start(environment(tmp_path, PROFILE="gpu", BROKEN="1"))
    assert done.returncode and "out of memory" in done.stderr and "PROFILE=gpu-onnx" in done.stderr
    assert not list((tmp_path / "plans").rglob("*.plan"))


def test_with_a_fallback_it_starts_without_plans_and_says_why(tmp_path: Path) -> None:
    env = environment(tmp_path, PROFILE="gpu", FALLBACK="gpu-onnx", BROKEN="1")
    for address in (env["MODEL_REPOSITORY"], "s3://models/prod"):
        done = start(env | {"MODEL_REPOSITORY": address})
        assert done.returncode == 0 and "--model-config-name=gpu-onnx" in done.stdout
        assert ("a bucket" if "://" in address else "out of memory") in done.stderr
    assert "--model-config-name=gpu " in start(env | {"BROKEN": ""}).stdout, "with plans again"
    assert "it must be gpu-onnx or empty" in start(env | {"FALLBACK": "cpu"}).stderr


def test_every_line_of_the_start_is_json(tmp_path: Path) -> None:
    env = environment(tmp_path, PROFILE="gpu")
    built, broken = start(env | {"FALLBACK": "gpu-onnx"}), start(env | {"PLANS": str(tmp_path / "x"), "BROKEN": "1"})
    said = [json.loads(line) for line in (built.stderr + broken.stderr).splitlines() if not line.startswith("MALLOC")]
    assert [line["level"] for line in said] == ["info", "info", "info", "critical"]
    assert "building" in said[0]["detail"] and "out of memory" in said[3]["detail"]
    assert built.stdout.startswith("served") and not broken.stdout


def test_without_a_gpu_it_says_so_and_a_cpu_needs_none(tmp_path: Path) -> None:
    env = environment(tmp_path, PROFILE="gpu")
    (tmp_path / "bin" / "nvidia-smi").write_text("#!/bin/sh\nexit 9\n")
    assert "No GPU is visible" in start(env).stderr
    done = start(env | {"PROFILE": "cpu"})
    assert "model-config-name" not in done.stdout and "--allow-http=false" in done.stdout
    assert "--grpc-http2-max-ping-strikes=0" in done.stdout, "calls may last for minutes"
    assert dict(line.split("=") for line in done.stderr.split()) == RETURN_FREED_MEMORY
    assert "it must be cpu, cpu-bf16, gpu or gpu-onnx" in start(env | {"PROFILE": "tpu"}).stderr


@pytest.mark.parametrize("name", NETWORKS)
def test_gpu_settings_keep_the_signature(name: str) -> None:
    cpu = read_signature(name, (REPOSITORY / name / "config.pbtxt").read_bytes())
    for kind, filename in (("gpu", "model.plan"), ("gpu-onnx", "model.onnx")):
        gpu = read_signature(name, (REPOSITORY / name / "configs" / f"{kind}.pbtxt").read_bytes())
        assert (gpu.inputs, gpu.outputs) == (cpu.inputs, cpu.outputs) and gpu.max_batch >= cpu.max_batch
        assert gpu.filename == filename


def test_the_image_installs_what_the_preview_imports() -> None:
    program = (
        "import sys; import orchestrator.pipeline.preview; files = {m.split('.')[0]: getattr(v, '__file__', '') "
        "for m, v in sys.modules.items()}; print(*{m for m, file in files.items() if 'site-packages' in str(file)})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    packages = {"cv2": "opencv-python-headless", "numpy": "numpy"}
    installed = re.findall(r"^([\w-]+)==", (ROOT / "deploy/triton/requirements.lock").read_text(), re.M)
    needed = {name for name in done.stdout.split() if not name.startswith(("_", "orchestrator"))}
    assert needed == packages.keys(), "no decoder: what it loads may be attacked"
    assert set(installed) == set(packages.values())


def test_everything_that_the_image_copies_exists() -> None:
    for line in (ROOT / "triton.Dockerfile").read_text().splitlines():
        if line.startswith("COPY") and "--from=" not in line:
            for source in [word for word in line.split()[1:-1] if not word.startswith("--")]:
                assert (ROOT / source).exists(), source


def test_with_a_control_key_only_its_holders_may_load_models(tmp_path: Path) -> None:
    open_to_all = start(environment(tmp_path, PROFILE="cpu")).stdout
    assert "restricted" not in open_to_all
    restricted = start(environment(tmp_path, PROFILE="cpu", CONTROL_KEY="s3cret")).stdout
    assert "--grpc-restricted-protocol=model-repository,shared-memory,trace,logging:irisvue=s3cret" in restricted
    assert CONTROL_HEADER == "triton-grpc-protocol-irisvue", "the header that Triton makes of the name before the ="


def test_grpc_listens_only_where_the_name_leads(tmp_path: Path) -> None:
    assert "--grpc-address=127.0.0.1" in start(environment(tmp_path, PROFILE="cpu", GRPC_NAME="localhost")).stdout
    assert "grpc-address" not in start(environment(tmp_path, PROFILE="cpu")).stdout
    for elsewhere in ("no.such.name.invalid", "192.0.2.1"):
        done = start(environment(tmp_path, PROFILE="cpu", GRPC_NAME=elsewhere))
        assert done.returncode and f"GRPC_NAME is '{elsewhere}'" in done.stderr
