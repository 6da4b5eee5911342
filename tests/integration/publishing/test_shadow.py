"""A shadow runs on every job, is compared with the primary, and is never shown."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import httpx
import pytest

from orchestrator import db
from orchestrator.db.tables import ShadowRun
from orchestrator.embedded.stack import Stack
from orchestrator.errors import Conflict
from orchestrator.inference.protocol import SEGMENTER
from orchestrator.publishing.publisher import Publisher
from orchestrator.rollout import routing
from tests.integration.publishing.commands import run_line
from tests.integration.publishing.versions import serving_version, some_version
from tests.waiting import submitted, until

pytestmark = pytest.mark.timeout(300)


async def test_a_shadow_is_compared_and_never_shown(
    own_stack: Stack, publisher: Publisher, client: httpx.AsyncClient, eye_jpeg: bytes, tmp_path: Path
) -> None:
    version = await some_version(publisher)
    with pytest.raises(Conflict, match="serves jobs already"):
        await routing.set_shadow(publisher.services, SEGMENTER, "1", "tester")
    await routing.set_shadow(publisher.services, SEGMENTER, str(version), "tester")
    assert await serving_version(client, await submitted(client, eye_jpeg)) == "1"
    run = (await until(partial(_runs, publisher, version), 30))[0]
    assert run.shown == "1" and run.error is None and run.likeness and run.likeness > 0.99 and run.ms > 0

    (tmp_path / "irisvue-data").symlink_to(own_stack.folder)
    line = f"irisvue models shadows {SEGMENTER} {version}"
    with_plot = await run_line(f"{line} --plot likeness.png", tmp_path)
    assert "IoU of the masks: median" in with_plot and "plot: likeness.png" in with_plot
    assert (tmp_path / "likeness.png").read_bytes().startswith(b"\x89PNG")
    without = await run_line(line, tmp_path, PYTHONPATH=_without_matplotlib(tmp_path))
    assert "IoU of the masks: median" in without and 'pip install "irisvue[embedded]"' in without
    assert not (tmp_path / "shadow.png").exists()


async def _runs(publisher: Publisher, version: int) -> Sequence[ShadowRun]:
    async with publisher.services.db() as session:
        return await db.rollout.shadow_runs(session, SEGMENTER, str(version))


def _without_matplotlib(folder: Path) -> str:
    """A PYTHONPATH on which matplotlib can't be imported, as on a server."""
    (folder / "sitecustomize.py").write_text('import sys\n\nsys.modules["matplotlib"] = None\n')
    return os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
