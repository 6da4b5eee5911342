"""The files of a finished photo: no picture is claimed that was not written."""

from pathlib import Path

import numpy as np
import pytest

from orchestrator.cli.output import folders_for, write_picture
from orchestrator.errors import SetupError

PICTURE = np.full((8, 8, 3), (200, 100, 50), np.uint8)


def test_a_picture_is_written(tmp_path: Path) -> None:
    write_picture(tmp_path / "picture.png", PICTURE)
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["missing folder/picture.png", "picture.nonsense", "picture"])
def test_a_picture_that_can_not_be_written_is_an_error_with_its_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(SetupError, match=str(tmp_path / name)):
        write_picture(tmp_path / name, PICTURE)
    assert list(tmp_path.iterdir()) == []


def test_photos_of_one_name_get_folders_of_their_own() -> None:
    photos = [Path("a/eye.jpg"), Path("b/eye.jpg"), Path("b/eye.png"), Path("other.jpg")]
    out = Path("out")
    assert folders_for(photos, out) == [out / "eye.jpg", out / "eye.jpg-2", out / "eye.png", out / "other"]
