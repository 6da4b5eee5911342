"""What people send by mistake or on purpose: processed correctly or refused in words, and the next job runs."""

import io
import os
import re

import httpx
import numpy as np
import pytest
from PIL import Image

from orchestrator.embedded.stack import Stack
from orchestrator.pipeline.images import encode_jpeg
from orchestrator.pipeline.pixels import Pixels
from tests.conftest import PHOTOS, drawn_eye
from tests.unit.pipeline.pictures import bomb, chunk, coded, png_with
from tests.waiting import ended, submitted

BETTER = "Try capturing a new photo in better lighting with your eye centered."


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"", 422, "unreadable"),
        (b"just some text, whatever the name says", 415, "not_an_image"),
        (bomb(1, 1), 422, "unreadable"),
        (bomb(20_000, 20_000), 413, "too_large"),
        (bytes(41 * 2**20), 413, "too_large"),
    ],
    ids=["empty", "text", "1x1", "bomb", "41 MB"],
)
async def test_refused_at_the_upload(api: httpx.AsyncClient, data: bytes, status: int, code: str) -> None:
    response = await api.post("/api/v1/photos", files={"file": ("photo.jpg", data, "image/jpeg")})
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.headers["content-type"] == "application/problem+json"


async def test_body_without_a_length_is_cut_off(api: httpx.AsyncClient) -> None:
    async def endless() -> object:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(60):
            yield bytes(2**20)

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    response = await api.post("/api/v1/photos", content=endless(), headers=headers)  # type: ignore[arg-type]
    assert response.status_code == 413


def part(disposition: str, boundary: str = "x", line: str = "\r\n") -> bytes:
    """A multipart body of one part."""
    lines = [f"--{boundary}", f"Content-Disposition: {disposition}", "", "bytes", f"--{boundary}--", ""]
    return line.join(lines).encode()


FILE = 'form-data; name="file"; filename="eye.jpg"'
FORM = "multipart/form-data; boundary=x"
MISTAKES: dict[str, tuple[bytes, str | None, str]] = {
    "another name": (
        part('form-data; name="photo"; filename="eye.jpg"'),
        FORM,
        "field named file; this request has photo",
    ),
    "text": (part('form-data; name="file"'), FORM, "body.file: is text. Send the photo itself"),
    "base64": (
        part('form-data; name="file"').replace(b"bytes", b"A" * 2**21),
        FORM,
        "longer than 1 MB. Send the photo",
    ),
    "a file name in the extended form alone": (
        part("form-data; name=\"file\"; filename*=UTF-8''%E7%9C%BC.jpg"),
        FORM,
        r"a part with filename=, and not with filename\*= alone",
    ),
    "no boundary": (part(FILE), "multipart/form-data", "names no boundary. Let your HTTP library"),
    "another boundary": (part(FILE, "y"), FORM, "not divided by the boundary"),
    "line feeds": (part(FILE, line="\n"), FORM, "not divided by the boundary"),
    "no name": (part("form-data"), FORM, "A part has no name"),
    "cut off": (part(FILE)[:-10], FORM, "no field that is complete"),
    "empty": (b"", FORM, "no field that is complete"),
    "JSON": (b'{"file": "eye.jpg"}', "application/json", "as multipart/form-data.* This request is application/json"),
    "no JSON at all": (part(FILE), "application/json", "This request is application/json"),
    "the photo alone": (b"\xff\xd8", "image/jpeg", "This request is image/jpeg"),
    "a web form": (b"file=eye.jpg", "application/x-www-form-urlencoded", "as multipart/form-data"),
    "mixed": (part(FILE), "multipart/mixed; boundary=x", "This request is multipart/mixed"),
    "nothing": (b"", None, "This request is without a Content-Type"),
    "many fields": (part(FILE)[:-7] * 1100 + b"--\r\n", FORM, "too many fields"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_mistakes_in_an_upload_are_told_to_its_developer(api: httpx.AsyncClient, mistake: str) -> None:
    body, content_type, words = MISTAKES[mistake]
    headers = {"Content-Type": content_type} if content_type else {}
    response = await api.post("/api/v1/photos", content=body, headers=headers)
    assert response.status_code in (400, 422), response.text
    assert re.search(words, response.json()["detail"]), response.json()["detail"]
    assert not PYTHON.search(response.json()["detail"])


PYTHON = re.compile(r"class|UploadFile|str\b|dict|NoneType|Value error|object to extract|Traceback")


@pytest.mark.parametrize(
    ("body", "content_type", "words"),
    [
        (b"photo_id=1", "application/x-www-form-urlencoded", "must be a JSON object. Send JSON, with Content-Type"),
        (part(FILE), FORM, "must be a JSON object.*this request is multipart/form-data"),
        (b'{"photo_id": 3, "preview": "maybe"}', "application/json", "must be a UUID, as a string; .*true or false"),
        (b"[]", "application/json", "must be a JSON object$"),
        (b"{'photo_id': 1}", "application/json", "is not JSON: .*, at character 1"),
        (b"\xff\xfe{", "application/json", "can't be read. Is it what Content-Type says"),
    ],
)
async def test_mistakes_in_json_are_told_without_words_of_python(
    api: httpx.AsyncClient, body: bytes, content_type: str, words: str
) -> None:
    response = await api.post("/api/v1/processing/submit", content=body, headers={"Content-Type": content_type})
    assert response.status_code in (400, 422)
    assert re.search(words, response.json()["detail"]), response.json()["detail"]
    assert not PYTHON.search(response.json()["detail"])


def formats() -> dict[str, bytes]:
    image = Image.fromarray(drawn_eye().image)
    sideways = Image.Exif()
    sideways[0x0112] = 6
    wide = np.asarray(image.convert("L")).astype(np.uint16) * 257
    return {
        "cmyk jpeg": coded(image.convert("CMYK"), "JPEG", quality=92),
        "16-bit png": coded(Image.fromarray(wide), "PNG"),
        "animated webp": coded(image, "WEBP", save_all=True, append_images=[Image.new("RGB", image.size)]),
        "sideways jpeg": coded(image.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=sideways),
        "transparent png": coded(image.convert("RGBA"), "PNG"),
        "avif": coded(image, "AVIF"),
        "jpeg without its last bytes": coded(image, "JPEG")[:-9],
        "png with a profile of 1.3 MB": png_with(coded(image, "PNG"), chunk(b"iCCP", b"p\0\0" + os.urandom(1_300_000))),
        "png with a wrong checksum": png_with(coded(image, "PNG"), chunk(b"tEXt", b"Comment\0eye", checksum=1)),
    }


@pytest.mark.parametrize("kind", formats())
async def test_odd_but_good_files_are_processed(api: httpx.AsyncClient, kind: str) -> None:
    job = await ended(api, await submitted(api, formats()[kind]))
    assert job["status"] == "completed", job
    truth = drawn_eye().iris | drawn_eye().pupil
    async with httpx.AsyncClient(trust_env=False) as anyone:
        mask = np.asarray(Image.open(io.BytesIO((await anyone.get(job["mask_url"])).content))) == 255
    assert mask.shape == truth.shape, "the mask is on the upright photo's grid"
    assert (mask & truth).sum() / (mask | truth).sum() > 0.85


@pytest.mark.parametrize("name", ["closed_eye.jpg", "neg_coffee.png", "neg_moon.png", "wall", "wrong turn", "cut off"])
async def test_a_photo_without_an_eye_fails_and_the_next_job_runs(
    api: httpx.AsyncClient, stack: Stack, wall: Pixels, eye_jpeg: bytes, name: str
) -> None:
    turned = Image.Exif()
    turned[0x0112] = 99
    made = {
        "wall": lambda: encode_jpeg(wall),
        "wrong turn": lambda: coded(Image.fromarray(wall), "JPEG", exif=turned),
        "cut off": lambda: eye_jpeg[: len(eye_jpeg) // 2],
    }
    data = made[name]() if name in made else (PHOTOS / name).read_bytes()
    job = await ended(api, await submitted(api, data))
    assert (job["status"], job["error_type"]) == ("failed", "quality_issue")
    assert job["attempt_count"] == 1, "a quality issue is never retried"
    if name == "cut off":
        assert job["error_message"] == "The image is damaged or empty. Send the original file."
    else:
        assert (job["error_message"], job["suggestion"]) == ("Iris not detected in image", BETTER)
    assert job["result_url"] is None
    assert not [p for p in (stack.folder / "objects" / "processed").rglob(f"{job['job_id']}*")]
    assert (await ended(api, await submitted(api, eye_jpeg)))["status"] == "completed"


@pytest.mark.parametrize("token", ["", "Bearer", "Bearer x.y.z", "Basic abc"])
async def test_without_a_token_only_health_answers(stack: Stack, token: str) -> None:
    async with httpx.AsyncClient(base_url=stack.url, headers={"Authorization": token}, trust_env=False) as client:
        for path in ("/api/v1/photos", "/api/v1/processing/jobs"):
            response = await client.get(path)
            assert response.status_code == 401
            assert response.headers["www-authenticate"] == "Bearer"
        assert (await client.get("/health/live")).json() == {"status": "ok"}
        ready = await client.get("/health/ready")
        assert ready.json()["checks"]["database"] == "ok"


@pytest.mark.parametrize("body", [{}, {"photo_id": "x"}, {"photo_id": None}, [], "text"])
async def test_a_wrong_body_is_refused_with_the_reason(api: httpx.AsyncClient, body: object) -> None:
    response = await api.post("/api/v1/processing/submit", json=body)
    assert response.status_code == 422
    assert response.json()["detail"].startswith("body")


async def test_unknown_path_and_method(api: httpx.AsyncClient) -> None:
    assert (await api.get("/api/v1/nothing")).json()["code"] == "not_found"
    assert (await api.put("/api/v1/photos")).status_code == 405
    assert (await api.get("/api/v1/photos", params={"page": 0})).status_code == 422
