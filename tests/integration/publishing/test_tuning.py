"""Batch settings are measured on the running server, and the best is written into the configuration in use."""

import pytest

from orchestrator.inference.protocol import SEGMENTER
from orchestrator.publishing import tuning
from orchestrator.publishing.publisher import Publisher
from orchestrator.publishing.served_config import served_file
from orchestrator.publishing.tuning import BatchSetting
from orchestrator.reporting import ignore_report

pytestmark = pytest.mark.timeout(300)


async def test_settings_are_measured_and_the_chosen_one_is_written(publisher: Publisher) -> None:
    measured = await tuning.measure(publisher, SEGMENTER, ignore_report, (0, 3000), (1,), duration_s=0.5)
    assert [(setting.delay_us, setting.instances) for setting in measured] == [(0, 1), (3000, 1)]
    assert all(setting.calls_a_second > 1 and setting.alone_ms > 1 for setting in measured)
    path, before = await served_file(publisher, SEGMENTER)
    assert await tuning.apply(publisher, SEGMENTER, BatchSetting(3000, 1, 1.0, 1.0, 1.0)) == path
    written = await publisher.repository.file(SEGMENTER, path)
    assert written and b"max_queue_delay_microseconds: 3000" in written
    assert await publisher.control.ready(SEGMENTER, 1)
    await publisher.repository.place_file(SEGMENTER, path, before)
    await publisher.control.reload(SEGMENTER)


def test_the_best_setting_is_the_shortest_answer_among_the_fast() -> None:
    slow = BatchSetting(0, 1, 10.0, 20.0, 90.0)
    fast = BatchSetting(2000, 1, 40.0, 30.0, 60.0)
    quick = BatchSetting(1000, 2, 39.5, 25.0, 70.0)
    assert tuning.best([slow, fast, quick]) == quick
