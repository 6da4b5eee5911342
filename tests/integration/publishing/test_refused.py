"""A publication that fails, whatever the reason, leaves the repository, the server and the rows as they were."""

import asyncio
import os
import signal
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tritonclient.utils import InferenceServerException

from orchestrator.config import ROOT
from orchestrator.embedded.stack import Stack
from orchestrator.errors import Conflict, ModelUnavailable, Refused
from orchestrator.inference.protocol import SEGMENTER
from orchestrator.publishing.golden import load_golden
from orchestrator.publishing.publication import Publication
from orchestrator.publishing.publish import publish
from orchestrator.publishing.publisher import Publisher
from orchestrator.publishing.repository import FolderRepository
from tests import networks
from tests.integration.publishing.versions import UNTIMED, candidate, state
from tests.waiting import until

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("fault", ["nan", "slow", "blind"])
async def test_a_bad_candidate_changes_nothing(publisher: Publisher, fault: str) -> None:
    pictures = load_golden(SEGMENTER, publisher.infer.segment_px)
    data = {"nan": networks.nan_on(pictures[7].image), "slow": networks.slow(), "blind": networks.blind()}[fault]
    before = await state(publisher)
    outcome = await publish(publisher, candidate(data))
    assert outcome.version is None
    bad = [criterion for criterion in outcome.comparison.criteria if not criterion.good]
    if fault == "nan":
        assert any(f"{pictures[7].name}: iris_unet: probabilities outside 0–1" == c.candidate for c in bad)
        assert bad[0].candidate == "23 of 24"
    elif fault == "slow":
        assert "median time" in [criterion.name for criterion in bad]
    else:
        assert "mean IoU" in [criterion.name for criterion in bad]
    assert outcome.sheet.shape[1] == 4 * 256 and outcome.sheet.std() > 10
    assert await state(publisher) == before


async def test_a_file_with_another_signature_or_of_another_kind_changes_nothing(publisher: Publisher) -> None:
    before = await state(publisher)
    enhancer = (ROOT / "model_repository" / "realesrgan" / "1" / "model.onnx").read_bytes()
    for data, words in ((enhancer, "no input 'image'"), (b"garbage", "not an ONNX model"), (b"", "not an ONNX model")):
        with pytest.raises(Refused, match=words):
            await publish(publisher, candidate(data))
    assert await state(publisher) == before


class DamagingRepository(FolderRepository):
    """Files are cut off on their way into it."""

    async def place(self, model: str, version: int, files: Mapping[str, bytes]) -> None:
        await super().place(model, version, {name: data[:1000] for name, data in files.items()})


async def test_a_version_that_the_server_can_not_load_is_taken_back(publisher: Publisher) -> None:
    before = await state(publisher)
    damaging = DamagingRepository(Path(publisher.services.settings.model_repository))
    with pytest.raises(Refused, match="could not be loaded: it is damaged, cut off or something else"):
        await publish(replace(publisher, repository=damaging), candidate(networks.other(0.998)), UNTIMED)
    assert await state(publisher) == before


async def test_an_incomplete_version_folder_is_named(publisher: Publisher) -> None:
    folder = Path(publisher.services.settings.model_repository) / SEGMENTER / "40"
    folder.mkdir()
    (folder / "model.onnx.part").write_bytes(b"half")
    before = await state(publisher)
    try:
        with pytest.raises(Refused, match=r"iris_unet/40 in the repository has no model\.onnx"):
            await publish(publisher, candidate(networks.other()))
        assert await state(publisher) == before
    finally:
        (folder / "model.onnx.part").unlink()
        folder.rmdir()


async def test_of_two_publications_at_once_one_has_to_wait(publisher: Publisher) -> None:
    calls = [publish(publisher, candidate(networks.other(factor)), UNTIMED) for factor in (0.997, 0.996)]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {Publication, Conflict}, outcomes


async def test_a_server_that_is_killed_meanwhile_leaves_everything_as_it_was(
    publisher: Publisher, own_stack: Stack
) -> None:
    before = await state(publisher)
    with pytest.raises(ModelUnavailable):
        await publish(publisher, candidate(networks.other(0.99)), UNTIMED, report=partial(_kill_triton, own_stack))
    await until(partial(_is_again, publisher, before))  # its supervisor starts it again


def _kill_triton(stack: Stack, words: str, done: float) -> None:
    """As soon as the version is about to be added."""
    if words.startswith("Adding version"):
        os.kill(stack.processes["triton"].pid, signal.SIGKILL)


async def _is_again(publisher: Publisher, before: tuple[Any, ...]) -> bool:
    try:
        return await state(publisher) == before
    except InferenceServerException:
        return False
