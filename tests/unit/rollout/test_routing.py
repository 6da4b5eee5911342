"""Shares of versions, and the version that a job draws by lot."""

from collections import Counter
from uuid import UUID, uuid4

import pytest

from orchestrator.db.tables import ModelRoute
from orchestrator.errors import Invalid
from orchestrator.rollout.routing import Shares, versions_for


@pytest.mark.parametrize(
    ("percent", "words"),
    [
        ({}, "Got nothing|nothing make 0"),
        ({"2": 90, "3": 5}, "2=90 3=5 make 95"),
        ({"2": 90, "3": 20}, "make 110"),
        ({"2": 100, "3": 0}, "from 1 to 100"),
        ({"2": 150, "3": -50}, "from 1 to 100"),
        ({"two": 100}, "whole number"),
        ({"0": 100}, "whole number"),
    ],
)
def test_shares_that_make_no_sense_are_refused(percent: dict[str, int], words: str) -> None:
    with pytest.raises(Invalid, match=words):
        Shares(percent)


def test_a_job_always_draws_the_same_version_and_many_draw_their_shares() -> None:
    shares = Shares({"2": 90, "10": 10})
    jobs = [UUID(int=n) for n in range(5000)]
    drawn = [shares.choose("iris_unet", job) for job in jobs]
    assert drawn == [shares.choose("iris_unet", job) for job in jobs]
    assert 430 < Counter(drawn)["10"] < 570
    larger = Shares({"2": 80, "10": 20})
    moved = [job for job, version in zip(jobs, drawn, strict=True) if larger.choose("iris_unet", job) != version]
    assert 400 < len(moved) < 600, "only the jobs that make a share larger move"


def test_two_models_draw_independently() -> None:
    half = Shares({"1": 50, "2": 50})
    jobs = [uuid4() for _ in range(2000)]
    both = Counter((half.choose("iris_unet", job), half.choose("realesrgan", job)) for job in jobs)
    assert len(both) == 4 and min(both.values()) > 400


def test_a_model_without_a_route_uses_its_newest_version() -> None:
    routed = {"iris_unet": ModelRoute(name="iris_unet", shares={"1": 100})}
    assert versions_for(uuid4(), routed, {"iris_unet": "3", "realesrgan": "2"}) == {"iris_unet": "1", "realesrgan": "2"}
