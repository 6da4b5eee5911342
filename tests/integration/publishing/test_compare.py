"""`irisvue models compare` puts two versions on one page, with the photos of a folder."""

import re
from pathlib import Path

import pytest

from orchestrator.embedded.stack import Stack
from orchestrator.pipeline.images import encode_jpeg
from orchestrator.pipeline.pixels import Pixels
from orchestrator.publishing.publisher import Publisher
from tests.integration.publishing.commands import run_line
from tests.integration.publishing.versions import some_version

pytestmark = pytest.mark.timeout(600)


async def test_two_versions_on_photos(
    own_stack: Stack, publisher: Publisher, eye_jpeg: bytes, wall: Pixels, tmp_path: Path
) -> None:
    (tmp_path / "irisvue-data").symlink_to(own_stack.folder)
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "eye.jpg").write_bytes(eye_jpeg)
    (photos / "wall.jpg").write_bytes(encode_jpeg(wall))
    (photos / "broken.png").write_bytes(b"no photo")
    (photos / "notes.txt").write_text("no photo either")
    version = await some_version(publisher)
    printed = await run_line(f"irisvue models compare iris_unet 1 {version} --photos photos", tmp_path)
    assert "3 photos: compare.html" in printed
    page = (tmp_path / "compare.html").read_text()
    assert page.count("<img") == 4 and page.count('class="error"') == 4 and "notes" not in page
    assert re.search(r"eye\.jpg · IoU of the masks: (1\.000|0\.9\d\d)", page)

    for line, words in (
        (f"compare iris_unet 1 {version} --photos none", "There is no folder none"),
        (f"compare iris_unet 1 {version} --photos irisvue-data", "irisvue-data has no photos"),
        ("compare iris_unet 1 99 --photos photos", "iris_unet 99 is not served; there are: 1"),
        (f"compare iris_unet 1 {version} --photos photos --out none/page.html", "none/page.html can't be written"),
    ):
        with pytest.raises(AssertionError, match=words):
            await run_line(f"irisvue models {line}", tmp_path)
