"""Examine a candidate: the golden pictures and the whole chain, beside the version in use, on the server itself."""

import asyncio
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from functools import partial
from pathlib import Path

from orchestrator.errors import IrisvueError, NoIrisFound
from orchestrator.inference.protocol import PREVIEW, SEGMENTER
from orchestrator.observability.logs import log
from orchestrator.pipeline.pixels import Pixels
from orchestrator.publishing.answers import LONG_CALL_S, collect_answers
from orchestrator.publishing.card import Purpose
from orchestrator.publishing.comparison import Tolerances, compare
from orchestrator.publishing.contact_sheet import contact_sheet
from orchestrator.publishing.criteria import Criterion
from orchestrator.publishing.golden import GoldenPicture, load_golden
from orchestrator.publishing.perceptual import compare_perceptual
from orchestrator.publishing.probes import probe
from orchestrator.publishing.publication import Candidate, Publication
from orchestrator.publishing.publisher import Publisher, version_in_use
from orchestrator.publishing.signature import Signature
from orchestrator.reporting import Report

FEW_PREVIEWS = 2  # with a candidate that takes long: they show that the ensemble works


async def examine(
    publisher: Publisher,
    signature: Signature,
    candidate: Candidate,
    purpose: Purpose,
    tolerances: Tolerances,
    golden_folder: Path | None,
    report: Report,
) -> Publication:
    """Compare the candidate with the version in use; afterwards the server no longer has it. `version` stays None."""
    model, side_px = candidate.model, signature.inputs[0].shape[0]
    in_use = await version_in_use(publisher, model)
    pictures = await asyncio.to_thread(load_golden, model, side_px, golden_folder)
    report("Loading the candidate beside the version in use", 0.05)
    async with publisher.control.candidate(model, signature.filename, candidate.data) as name:
        old = publisher.infer.pinned({model: in_use})
        new = copy(old)
        new.names = {model: name}
        progress = partial(_report_between, report, 0.1, 0.7)
        repeats = publisher.effort.repeats
        new_answers, old_answers = await collect_answers(model, [new, old], pictures, repeats, progress)
        if purpose == "perceptual":
            report("Even areas and seams", 0.7)
            probes = await probe(new, pictures)
            comparison = compare_perceptual(pictures, new_answers, old_answers, probes, tolerances.slower)
        else:
            comparison = compare(model, pictures, new_answers, old_answers, tolerances)
        if comparison.good:
            report("The whole chain", 0.8)
            long = comparison.scores["median_ms"] > LONG_CALL_S * 1000
            count = FEW_PREVIEWS if long else publisher.effort.chain_pictures
            previews = await _compare_previews(publisher, model, name, side_px, pictures, count)
            comparison = replace(comparison, criteria=(*comparison.criteria, previews))
    sheet = contact_sheet(model, pictures, new_answers, old_answers, comparison.worst)
    return Publication(None, in_use, comparison, sheet)


def _report_between(report: Report, start: float, end: float, words: str, done: float) -> None:
    """Report one part of the work as a share of all of it."""
    report(words, start + (end - start) * done)


async def _compare_previews(
    publisher: Publisher, model: str, name: str, side_px: int, pictures: Sequence[GoldenPicture], most: int
) -> Criterion:
    """Whether the ensemble still makes previews with the candidate (served as `name`) in its model's place."""
    segmented = pictures if model == SEGMENTER else await asyncio.to_thread(load_golden, SEGMENTER, side_px)
    eyes = [picture.image for picture in segmented if picture.mask is not None][:most]
    async with publisher.control.ensemble(PREVIEW, {model: name}) as ensemble:
        count, count_before = [await _count_previews(publisher, each, eyes) for each in (ensemble, PREVIEW)]
    wanted = max(0, count_before - max(1, len(eyes) // 10))
    good = count >= wanted
    words = f"{count} of {len(eyes)}", f"{count_before}", f"at least {wanted}"
    return Criterion("first pictures", *words, good, "previews go on")


async def _count_previews(publisher: Publisher, ensemble: str, eyes: Sequence[Pixels]) -> int:
    count = 0
    for eye in eyes:
        try:
            preview = await publisher.infer.preview_by(ensemble, eye)
        except NoIrisFound:
            continue
        except IrisvueError as error:
            log.warning("no preview", ensemble=ensemble, error=error.detail)
            continue
        count += int(preview.any())
    return count
