"""Redis holds nothing for ever, apart from the queue."""

import httpx

from orchestrator.queue import QUEUE
from orchestrator.services import Services
from tests.waiting import ended, submitted, until


async def test_every_key_but_the_queue_expires(
    services: Services, user_api: httpx.AsyncClient, eye_jpeg: bytes
) -> None:
    await ended(user_api, await submitted(user_api, eye_jpeg))

    async def all_expire() -> bool:
        keys = [key async for key in services.redis.scan_iter("*")]
        lasting = {key.decode() for key in keys if await services.redis.ttl(key) == -1}
        return lasting <= {QUEUE}

    await until(all_expire, 20)
