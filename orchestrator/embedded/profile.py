"""Which of the networks' configurations suits this processor: OpenVINO in bfloat16 where that is quick."""

import os
from importlib.util import find_spec
from pathlib import Path

from orchestrator.errors import SetupError

VARIABLE = "IRISVUE_TRITON_PROFILE"
CPU, CPU_BF16 = "cpu", "cpu-bf16"  # config.pbtxt, and configs/cpu-bf16.pbtxt
QUICK = {"amx_bf16", "avx512_bf16"}  # the kernel's names of what multiplies bfloat16
CPUINFO = Path("/proc/cpuinfo")


def profile(cpuinfo: Path = CPUINFO) -> str:
    """CPU or CPU_BF16: as IRISVUE_TRITON_PROFILE says, else by the processor. Raises SetupError."""
    chosen = os.environ.get(VARIABLE, "")
    if chosen not in ("", CPU, CPU_BF16):
        raise SetupError(f"{VARIABLE} is {chosen!r}; it must be {CPU} or {CPU_BF16}, or not set.")
    if chosen:
        return chosen
    return CPU_BF16 if find_spec("openvino") and QUICK & _flags(cpuinfo) else CPU


def _flags(cpuinfo: Path) -> set[str]:
    """What the first processor can do."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return set()
    return set(next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), []))
