"""TensorRT plans from ONNX files, by `trtexec`, which comes with the TensorRT that will load them.

A plan fits one kind of GPU and one TensorRT version, so plans are kept in a folder named by both, under the hash of the
ONNX file they were built from, and copied beside that file, which stays as the fallback. Only the standard library is
imported here: deploy/triton/start.py uses this inside Triton's image. NOT RUN ON A GPU YET; docs/performance.md.
"""

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SIDE_PX = 256
TRTEXEC = ("trtexec", "/usr/src/tensorrt/bin/trtexec")


class CannotBuild(Exception):
    """No plan can be made here, or it is not good; the message says why and what to do instead."""


@dataclass(frozen=True)
class Profile:
    """A network's input and the batches its plan is for: from 1 to `most`, fastest at `usual`."""

    given: str
    usual: int
    most: int

    def arguments(self) -> list[str]:
        """Trtexec's optimisation profile."""
        batches = {"min": 1, "opt": self.usual, "max": self.most}
        return [f"--{which}Shapes={self.given}:{n}x{SIDE_PX}x{SIDE_PX}x3" for which, n in batches.items()]


Check = Callable[[str, str, Path, Path], float]
PROFILES = {"iris_unet": Profile("image", 8, 16), "realesrgan": Profile("tile", 4, 8)}  # as in configs/gpu.pbtxt


def gpu_name() -> str:
    """The first GPU's name, fit for a folder.

    Raises:
        CannotBuild: there is none.
    """
    asked = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        found = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.splitlines()[0]  # noqa: S603
    except (OSError, subprocess.CalledProcessError, IndexError):
        raise CannotBuild(
            "No GPU is visible. In a container: run it with --gpus all. Without one: PROFILE=cpu."
        ) from None
    return re.sub(r"[^A-Za-z0-9]+", "-", found).strip("-").lower()


def trtexec() -> str:
    """The program that builds plans.

    Raises:
        CannotBuild: it is not installed.
    """
    found = next((path for path in map(shutil.which, TRTEXEC) if path), None)
    if found is None:
        raise CannotBuild("trtexec is not here, so no plan can be built. Run this in Triton's image.")
    return found


def version(program: str) -> str:
    """TensorRT's version as the program says it: `TensorRT v101500` or `TensorRT.trtexec [TensorRT v101500]`."""
    said = subprocess.run([program, "--help"], capture_output=True, text=True, check=False)  # noqa: S603
    found = re.search(r"TensorRT v(\d+)", said.stdout + said.stderr)
    return found.group(1) if found else "unknown"


def _run(argv: list[str], what: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise CannotBuild(f"trtexec could not {what}:\n{(done.stdout + done.stderr)[-3000:]}")


def build(program: str, onnx: Path, plan: Path, name: str) -> None:
    """Build one float16 plan, with the timings that earlier builds on this kind of GPU left beside it.

    Raises:
        CannotBuild: with what trtexec said.
    """
    beside = plan.with_suffix(f".{os.getpid()}.part")
    argv = [program, f"--onnx={onnx}", f"--saveEngine={beside}", "--fp16", "--skipInference"]
    argv += [*PROFILES[name].arguments(), f"--timingCacheFile={plan.parent / 'timing.cache'}"]
    print(f"building {plan} (minutes)", flush=True)
    try:
        _run(argv, f"build {name}")
        if not beside.exists():
            raise CannotBuild(f"trtexec built {name} and wrote nothing.")
        beside.rename(plan)
    finally:
        beside.unlink(missing_ok=True)


def infer(program: str, plan: Path, given: str, image: bytes, answers: Path) -> None:
    """Run one picture (SIDE_PX, SIDE_PX, 3) through a plan; `answers` gets trtexec's JSON: name, dimensions, values.

    Raises:
        CannotBuild: the plan does not run.
    """
    file = answers.with_suffix(".input")
    file.write_bytes(image)
    shape = f"--shapes={given}:1x{SIDE_PX}x{SIDE_PX}x3"
    try:
        argv = [program, f"--loadEngine={plan}", shape, f"--loadInputs={given}:{file}", f"--exportOutput={answers}"]
        _run([*argv, "--iterations=1", "--duration=0", "--warmUp=0"], f"run {plan}")
    finally:
        file.unlink()


def prepare(repository: Path, plans: Path, check: Check | None = None) -> list[Path]:
    """Put a plan beside every ONNX file of both networks; returns those it had to build.

    Args:
        repository: Triton's, a folder.
        plans: where plans are kept from one start to the next.
        check: judges a new plan before it is kept; raises CannotBuild.

    Raises:
        CannotBuild: no GPU, no trtexec, a network that it can't build, or a plan that is not good. It is not kept.
    """
    program, built = trtexec(), []
    kept = plans / f"{gpu_name()}-tensorrt-{version(program)}"
    kept.mkdir(parents=True, exist_ok=True)
    for name in PROFILES:
        for onnx in sorted((repository / name).glob("[0-9]*/model.onnx")):
            plan = kept / f"{name}-{hashlib.sha256(onnx.read_bytes()).hexdigest()[:16]}.plan"
            if not plan.exists():
                fresh = plan.with_suffix(".unchecked")
                build(program, onnx, fresh, name)
                try:
                    if check:
                        check(program, name, onnx, fresh)
                    fresh.rename(plan)
                finally:
                    fresh.unlink(missing_ok=True)
                built.append(plan)
            shutil.copy(plan, onnx.with_name("model.plan"))
    return built
