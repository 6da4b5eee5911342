"""deploy/image/stubs.py: OpenCV does the same without libraries that nobody calls; a call of one ends the process."""

import _ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from orchestrator.config import ROOT

PACKAGES = Path(sysconfig.get_path("purelib"))
PREVIEW = """
import hashlib, sys, cv2, numpy as np
from orchestrator.pipeline.preview import cut_out
from tests.conftest import drawn_eye
eye = drawn_eye(492, 320, 240)
side = 256
image = cv2.resize(eye.image[:480, 80:560], (side, side), interpolation=cv2.INTER_AREA)
y, x = np.mgrid[:side, :side]
distance = np.hypot(x - 128, y - 128)
probabilities = np.zeros((side, side, 4), np.float32)
probabilities[distance < 100, 1] = 1
probabilities[distance < 30, 1:3] = 0, 1
picture = cut_out(image, probabilities, np.zeros((side, side), np.float32), 1.0, 512)
print(cv2.__file__, hashlib.sha256(picture).hexdigest())
"""
CODEC = """
import cv2, hashlib, numpy as np
picture = np.arange(3 * 64 * 64, dtype=np.uint8).reshape(64, 64, 3)
for kind in (".png", ".jpg"):
    data = cv2.imencode(kind, picture)[1]
    print(hashlib.sha256(data).hexdigest(), hashlib.sha256(cv2.imdecode(data, cv2.IMREAD_UNCHANGED)).hexdigest())
"""
# None of these calls LAPACK or reads video.
KNOWN = """
absdiff addWeighted applyColorMap blur boundingRect calcHist connectedComponentsWithStats copyMakeBorder createCLAHE
cvtColor dilate distanceTransform drawContours erode fillPoly filter2D findContours getStructuringElement imdecode
imencode imread imwrite inpaint mean merge minAreaRect morphologyEx multiply putText remap resize setNumThreads
subtract transform warpAffine warpPolar
""".split()


@pytest.fixture(scope="module", params=["worker", "triton"])
def opencv(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with OpenCV as the role's image has it."""
    if not shutil.which("ld"):
        pytest.skip("binutils are not installed")
    folder = tmp_path_factory.mktemp("packages")
    for name in ("cv2", "opencv_python_headless.libs"):
        shutil.copytree(PACKAGES / name, folder / name)
    argv = [sys.executable, str(ROOT / "deploy/image/stubs.py"), request.param, str(folder)]
    subprocess.run(argv, check=True)
    return folder


def python(code: str, first: Path | None = None) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(str(each) for each in (first, ROOT) if each)
    argv = [sys.executable, "-c", code]
    return subprocess.run(argv, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False)


def test_the_preview_is_the_same(opencv: Path) -> None:
    (_, real), (loaded, same) = (python(PREVIEW, first).stdout.split() for first in (None, opencv))
    assert Path(loaded).is_relative_to(opencv) and same == real


@pytest.mark.parametrize("opencv", ["worker"], indirect=True)
def test_workers_read_and_write_the_same_pictures(opencv: Path) -> None:
    real, same = (python(CODEC, first).stdout for first in (None, opencv))
    assert real and same == real


def test_what_was_taken_away_is_gone_and_ends_the_process(opencv: Path) -> None:
    left = {path.name.partition("-")[0] for path in (opencv / "opencv_python_headless.libs").iterdir()}
    assert not left & {"libssl", "libcrypto", "libvpx", "libgfortran"}
    assert python("import cv2; cv2.VideoCapture('x.mp4')", opencv).returncode == -signal.SIGILL


def test_a_library_that_is_not_linked_fails_the_build(opencv: Path) -> None:
    argv = [sys.executable, str(ROOT / "deploy/image/stubs.py"), "worker", str(opencv)]
    library = next((opencv / "opencv_python_headless.libs").glob("libavcodec-*"))
    library.write_bytes(Path(_ctypes.__file__).read_bytes())
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode and "mend STUBBED" in done.stderr


def test_no_function_of_opencv_is_used_that_may_call_a_stub() -> None:
    sources = [path.read_text() for path in (ROOT / "orchestrator").rglob("*.py")]
    used = {name for text in sources for name in re.findall(r"\bcv2\.([a-z]\w+)\(", text)}
    assert used <= set(KNOWN), f"{used - set(KNOWN)}: see that they call neither LAPACK nor FFmpeg, and add them here"
