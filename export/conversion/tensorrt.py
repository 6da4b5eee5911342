"""TensorRT plans from ONNX files, by `trtexec`, which comes with the TensorRT that will load them.

A plan fits one kind of GPU and one TensorRT version. So plans are kept in a folder named after both, each under the
hash of its ONNX file, and copied beside that file, which stays as the fallback. This module imports only the standard
library: deploy/triton/start.py uses it inside Triton's image. NOT RUN ON A GPU YET; docs/performance.md.
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
    """No plan can be made, or it is not good; the message says why and what to do instead."""


@dataclass(frozen=True)
class Profile:
    """A network's input and the batches its plan is for: from 1 to `max_batch`, fastest at `usual_batch`."""

    input_name: str
    usual_batch: int
    max_batch: int

    def arguments(self) -> list[str]:
        """Trtexec's optimisation profile."""
        batches = {"min": 1, "opt": self.usual_batch, "max": self.max_batch}
        return [f"--{which}Shapes={self.input_name}:{n}x{SIDE_PX}x{SIDE_PX}x3" for which, n in batches.items()]


PROFILES = {"iris_unet": Profile("image", 8, 16), "realesrgan": Profile("tile", 4, 8)}  # as in configs/gpu.pbtxt
Check = Callable[[str, str, Path, Path], float]  # of trtexec, a network's name, its ONNX file and its plan


def prepare(repository: Path, plans: Path, check: Check | None = None) -> list[Path]:
    """Put a plan beside every ONNX file of both networks; returns the plans that had to be built.

    Args:
        repository: Triton's, a folder.
        plans: where plans are kept from one start to the next.
        check: compares a new plan with its ONNX file before it is kept; raises CannotBuild if they differ.

    Raises:
        CannotBuild: no GPU, no trtexec, a network that it can't build, or a plan that is not good. It is not kept.
    """
    built = []
    for name in PROFILES:
        for onnx in sorted((repository / name).glob("[0-9]*/model.onnx")):
            plan, is_new = kept_plan(name, onnx, plans, check)
            if is_new:
                built.append(plan)
            _copy_at_once(plan, onnx.with_name("model.plan"))
    return built


def kept_plan(name: str, onnx: Path, plans: Path, check: Check | None = None) -> tuple[Path, bool]:
    """The plan of an ONNX file of network `name` for this machine, and whether it had to be built. See `prepare`."""
    program = trtexec()
    folder = plans / f"{gpu_name()}-tensorrt-{version(program)}"
    folder.mkdir(parents=True, exist_ok=True)
    plan = folder / f"{name}-{hashlib.sha256(onnx.read_bytes()).hexdigest()[:16]}.plan"
    if plan.exists():
        return plan, False
    _build_checked(program, name, onnx, plan, check)
    return plan, True


def _copy_at_once(plan: Path, target: Path) -> None:
    """Another server on the same repository may be reading `target`."""
    part = target.with_suffix(f".{os.getpid()}.part")
    shutil.copy(plan, part)
    part.rename(target)


def _build_checked(program: str, name: str, onnx: Path, plan: Path, check: Check | None) -> None:
    unchecked = plan.with_suffix(".unchecked")
    build(program, onnx, unchecked, name)
    try:
        if check:
            check(program, name, onnx, unchecked)
        unchecked.rename(plan)
    finally:
        unchecked.unlink(missing_ok=True)


def build(program: str, onnx: Path, plan: Path, name: str) -> None:
    """Build one float16 plan, with the timings that earlier builds on this kind of GPU left beside it.

    Raises:
        CannotBuild: with the end of trtexec's output.
    """
    part = plan.with_suffix(f".{os.getpid()}.part")
    argv = [program, f"--onnx={onnx}", f"--saveEngine={part}", "--fp16", "--skipInference"]
    argv += [*PROFILES[name].arguments(), f"--timingCacheFile={plan.parent / 'timing.cache'}"]
    print(f"building {plan} (minutes)", flush=True)
    try:
        _run(argv, f"build {name}")
        if not part.exists():
            raise CannotBuild(f"trtexec built {name} and wrote nothing.")
        part.rename(plan)
    finally:
        part.unlink(missing_ok=True)


def infer(program: str, plan: Path, input_name: str, image: bytes, answers: Path) -> None:
    """Run one picture (SIDE_PX, SIDE_PX, 3) through a plan; `answers` gets trtexec's JSON: name, dimensions, values.

    Raises:
        CannotBuild: the plan does not run.
    """
    file = answers.with_suffix(".input")
    file.write_bytes(image)
    argv = [program, f"--loadEngine={plan}", f"--shapes={input_name}:1x{SIDE_PX}x{SIDE_PX}x3"]
    argv += [f"--loadInputs={input_name}:{file}", f"--exportOutput={answers}"]
    try:
        _run([*argv, "--iterations=1", "--duration=0", "--warmUp=0"], f"run {plan}")
    finally:
        file.unlink()


def gpu_name() -> str:
    """The first GPU's name, fit for a folder.

    Raises:
        CannotBuild: there is none.
    """
    argv = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        name = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()[0]  # noqa: S603
    except (OSError, subprocess.CalledProcessError, IndexError):
        raise CannotBuild(
            "No GPU is visible. In a container: run it with --gpus all. Without one: PROFILE=cpu."
        ) from None
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower()


def trtexec() -> str:
    """The program that builds plans.

    Raises:
        CannotBuild: it is not installed.
    """
    program = next((path for path in map(shutil.which, TRTEXEC) if path), None)
    if program is None:
        raise CannotBuild("trtexec is not here, so no plan can be built. Run this in Triton's image.")
    return program


def version(program: str) -> str:
    """TensorRT's version as trtexec prints it: `TensorRT v101500` or `TensorRT.trtexec [TensorRT v101500]`."""
    done = subprocess.run([program, "--help"], capture_output=True, text=True, check=False)  # noqa: S603
    match = re.search(r"TensorRT v(\d+)", done.stdout + done.stderr)
    return match.group(1) if match else "unknown"


def _run(argv: list[str], purpose: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise CannotBuild(f"trtexec could not {purpose}:\n{(done.stdout + done.stderr)[-3000:]}")
