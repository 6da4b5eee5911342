"""Webhooks of the live API, and what becomes of the messages for them."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import func, update

from orchestrator.db.tables import Delivery
from orchestrator.services import Services
from tests.receivers import Receiver
from tests.waiting import until

WEBHOOKS = "/api/v1/webhooks"


async def registered(api: httpx.AsyncClient, url: str, **options: Any) -> dict[str, Any]:
    """A new webhook at this address, as the API answers it: with its secret."""
    response = await api.post(WEBHOOKS, json={"url": url, **options})
    assert response.status_code == 201, response.text
    webhook: dict[str, Any] = response.json()
    return webhook


async def send_test(api: httpx.AsyncClient, webhook_id: str) -> None:
    """Ask for a test message."""
    await api.post(f"{WEBHOOKS}/{webhook_id}/test")


async def deliveries(api: httpx.AsyncClient, webhook_id: str, **query: Any) -> list[dict[str, Any]]:
    """The webhook's deliveries, newest first."""
    response = await api.get(f"{WEBHOOKS}/{webhook_id}/deliveries", params=query)
    assert response.status_code == 200, response.text
    rows: list[dict[str, Any]] = response.json()["deliveries"]
    return rows


async def newest_after(api: httpx.AsyncClient, webhook_id: str, attempts: int) -> dict[str, Any]:
    """The webhook's newest delivery, once it has been attempted this many times."""

    async def look() -> dict[str, Any] | None:
        rows = await deliveries(api, webhook_id)
        return rows[0] if rows and len(rows[0]["attempts"]) >= attempts else None

    return await until(look, 30)


async def received(receiver: Receiver, count: int) -> None:
    """Wait until this many requests have arrived."""

    async def look() -> bool:
        return len(receiver.received) == count

    await until(look, 30)


async def make_due(services: Services, delivery_id: str, **values: Any) -> None:
    """Let the delivery's pause be over now, and set columns of its row."""
    async with services.db.begin() as session:
        row = update(Delivery).where(Delivery.id == UUID(delivery_id))
        await session.execute(row.values(next_at=func.now() - timedelta(seconds=1), **values))
