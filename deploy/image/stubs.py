"""Puts stubs in place of libraries that OpenCV links and nobody calls: video, large matrices, and in Triton codecs.

OpenCV's wheel brings FFmpeg with an OpenSSL of its own, and a second OpenBLAS: half of its size, and most of what could
be attacked in it. A stub has the functions that OpenCV links, under their versions, and each of them ends the process.

Runs in a build stage that has binutils, before slim.py. Arguments: the image's role, worker or triton, and the folder
of the packages, without it the environment's own. Where a library is not there any more, or something other than a
function is linked, the build fails.
"""

import platform
import subprocess
import sys
import sysconfig
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

OPENCV, LIBRARIES = "cv2/cv2.abi3.so", "opencv_python_headless.libs"
VIDEO_AND_MATRICES = ["libavcodec", "libavformat", "libavutil", "libswscale", "libopenblasp"]
STUBBED = {  # the first picture that OpenCV reads or writes makes its readers of all formats
    "worker": VIDEO_AND_MATRICES,
    "triton": [*VIDEO_AND_MATRICES, "libavif", "libpng16"],
}
TRAP = {"x86_64": "ud2", "aarch64": "udf #0"}


def run(*argv: str) -> list[str]:
    """The lines that a program of binutils prints."""
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()  # noqa: S603


def linked(library: Path, user: Path) -> list[str]:
    """The functions of a library that its user links, as `name` or `name@VERSION`."""
    wanted = {line.split()[-1] for line in run("nm", "-D", "--undefined-only", str(user))}
    given = [line.split() for line in run("nm", "-D", "--defined-only", str(library))]
    kinds = {name.replace("@@", "@"): kind for _, kind, name in given}
    found = sorted(wanted & kinds.keys())
    if not found or any(kinds[name] not in "TWi" for name in found):
        sys.exit(f"{library.name}: {found} can't be stubs. See what OpenCV links now, and mend STUBBED.")
    return found


def write_stub(library: Path, functions: list[str]) -> None:
    """Overwrite a library with one whose functions are these, each of which ends the process with SIGILL."""
    names: dict[str, list[str]] = defaultdict(list)
    for function in functions:
        name, _, version = function.partition("@")
        names[version].append(name)
    every = [name for group in names.values() for name in group]
    lines = [".text", *(f".globl {name}\n.type {name}, %function\n{name}:" for name in every), TRAP[platform.machine()]]
    with tempfile.TemporaryDirectory() as folder:
        source, compiled, script = (Path(folder) / name for name in ("stub.s", "stub.o", "stub.map"))
        source.write_text("\n".join([*lines, '.section .note.GNU-stack,"",%progbits', ""]))
        script.write_text("".join(f"{v} {{ global: {'; '.join(group)}; }};\n" for v, group in names.items() if v))
        run("as", "-o", str(compiled), str(source))
        versions = [f"--version-script={script}"] if any(names) else []
        library.unlink()
        run("ld", "-shared", "-soname", library.name, *versions, "-o", str(library), str(compiled))


def unneeded(packages: Path) -> Iterator[Path]:
    """OpenCV's libraries that no library links any more."""
    users = [path for path in packages.rglob("*.so*") if path.is_file()]
    said = "\n".join(line for user in users for line in run("readelf", "-dW", str(user)) if "(NEEDED)" in line)
    return (path for path in (packages / LIBRARIES).iterdir() if f"[{path.name}]" not in said)


def main(role: str, packages: Path) -> None:
    """Write the role's stubs, then remove what only they needed."""
    for prefix in STUBBED[role]:
        (library,) = (packages / LIBRARIES).glob(f"{prefix}-*.so*")
        write_stub(library, linked(library, packages / OPENCV))
    while left := list(unneeded(packages)):
        for path in left:
            path.unlink()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2] if len(sys.argv) > 2 else sysconfig.get_path("purelib")))
