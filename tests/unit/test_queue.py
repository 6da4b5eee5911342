"""A Redis that does not answer is an error of the setup, said in a line."""

import pytest

from orchestrator.config import Settings
from orchestrator.errors import SetupError
from orchestrator.queue import open_queue


async def test_a_redis_that_does_not_answer() -> None:
    settings = Settings.model_validate({"redis_url": "redis://127.0.0.1:9/0"})
    with pytest.raises(SetupError, match=r"^Redis does not answer at 127\.0\.0\.1:9 .* Look at IRISVUE_REDIS_URL"):
        await open_queue(settings, patient=False)
