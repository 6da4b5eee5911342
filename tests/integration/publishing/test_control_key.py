"""Only a process with the control key may load and unload models."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from orchestrator.embedded.stack import Stack
from orchestrator.errors import Refused
from orchestrator.inference.protocol import SEGMENTER
from orchestrator.publishing.publisher import Publisher
from orchestrator.publishing.triton_control import open_control
from tests.conftest import settings_for

pytestmark = pytest.mark.timeout(300)


async def test_only_the_control_key_lets_models_be_loaded(own_stack: Stack, publisher: Publisher) -> None:
    config = settings_for(own_stack)
    assert config.triton_control_key
    for key in (None, SecretStr("0" * 64)):
        async with open_control(config.triton_url, key) as control:
            with pytest.raises(Refused, match="IRISVUE_TRITON_CONTROL_KEY"):
                await control.reload(SEGMENTER)
            assert await control.ready(SEGMENTER, 1), "inference needs no key"
    await publisher.control.reload(SEGMENTER)
    worker = Path(f"/proc/{own_stack.processes['worker-1'].pid}/environ").read_bytes()
    assert b"IRISVUE_TRITON_URL" in worker and b"CONTROL_KEY" not in worker
