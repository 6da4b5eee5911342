"""Model repositories in a folder and in a bucket behave alike."""

import shutil
from pathlib import Path

import pytest

from orchestrator.config import ROOT, Settings
from orchestrator.errors import Conflict, NotFound, SetupError
from orchestrator.publishing.repository import BucketRepository, FolderRepository, Repository, open_repository

FILES = (
    "iris_unet/config.pbtxt",
    "iris_unet/configs/gpu.pbtxt",
    "iris_unet/1/model.onnx",
    "iris_preview/config.pbtxt",
    "iris_preview/1/README",
)


@pytest.fixture(params=["folder", "bucket"])
def repository(request: pytest.FixtureRequest, tmp_path: Path) -> Repository:
    if request.param == "folder":
        for name in FILES:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / "model_repository" / name, tmp_path / name)
        return open_repository(str(tmp_path), Settings())
    s3, settings = request.getfixturevalue("bucket")
    for name in FILES:
        s3.put_object(Bucket="models", Key=f"prod/{name}", Body=(ROOT / "model_repository" / name).read_bytes())
    return open_repository("s3://models/prod", settings)


async def test_models_versions_and_files_are_read(repository: Repository) -> None:
    assert await repository.models() == ["iris_preview", "iris_unet"]
    assert b"onnxruntime" in await repository.config("iris_unet")
    assert await repository.versions("iris_unet") == {1: ["model.onnx"]}
    assert len(await repository.read("iris_unet", 1, "model.onnx")) > 1e6
    for missing in (repository.config("none"), repository.read("iris_unet", 9, "model.onnx")):
        with pytest.raises(NotFound):
            await missing
    assert await repository.versions("none") == {}
    assert await repository.configs("iris_unet") == ["config.pbtxt", "configs/gpu.pbtxt"]
    assert await repository.configs("iris_preview") == ["config.pbtxt"] and await repository.configs("none") == []


async def test_a_version_is_placed_once_withdrawn_restored_and_removed(repository: Repository) -> None:
    await repository.place("iris_unet", 2, {"model.onnx": b"two"})
    assert await repository.versions("iris_unet") == {1: ["model.onnx"], 2: ["model.onnx"]}
    with pytest.raises(Conflict):
        await repository.place("iris_unet", 2, {"model.onnx": b"another"})
    assert await repository.read("iris_unet", 2, "model.onnx") == b"two"
    await repository.withdraw("iris_unet", 2)
    assert list(await repository.versions("iris_unet")) == [1]
    assert await repository.last_number("iris_unet") == 2, "so that no other version gets it"
    with pytest.raises(NotFound):
        await repository.withdraw("iris_unet", 2)
    await repository.restore("iris_unet", 2)
    assert await repository.read("iris_unet", 2, "model.onnx") == b"two"
    await repository.remove("iris_unet", 2)
    await repository.remove("iris_unet", 2)
    await repository.place("iris_unet", 3, {"model.onnx": b"three", "model.plan": b"plan"})
    assert (await repository.versions("iris_unet"))[3] == ["model.onnx", "model.plan"]
    await repository.remove("iris_unet", 3)
    assert list(await repository.versions("iris_unet")) == [1]


async def test_an_ensemble_is_a_model_of_its_own(repository: Repository) -> None:
    assert await repository.last_number("iris_preview_u2_r1") == 0
    await repository.place_model("iris_preview_u2_r1", b'name: "iris_preview_u2_r1"')
    assert "iris_preview_u2_r1" in await repository.models()
    assert await repository.config("iris_preview_u2_r1") == b'name: "iris_preview_u2_r1"'
    await repository.remove("iris_preview_u2_r1")
    assert "iris_preview_u2_r1" not in await repository.models()


def test_the_address_decides_on_the_kind(tmp_path: Path) -> None:
    assert isinstance(open_repository(str(tmp_path), Settings()), FolderRepository)
    assert isinstance(open_repository("s3://models", Settings()), BucketRepository)
    with pytest.raises(SetupError, match="IRISVUE_MODEL_REPOSITORY"):
        open_repository(str(tmp_path / "none"), Settings())


@pytest.mark.parametrize("path", sorted((ROOT / "model_repository").rglob("*.onnx")), ids=lambda path: path.parts[-3])
def test_a_shipped_network_reveals_nothing_about_the_machine_that_made_it(path: Path) -> None:
    data = path.read_bytes()
    for trace in (b"Traceback", b"stack_trace", b"site-packages", b"/export/", b'File "'):
        assert trace not in data, "the exporter's stack traces"
