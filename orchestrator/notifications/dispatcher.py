"""Sends the notices that are due, again and again with growing pauses, and gives up in the end."""

import asyncio
import time

from orchestrator import db
from orchestrator.db.notifications import DueDelivery
from orchestrator.db.tables import DeliveryStatus
from orchestrator.notifications.fcm import Fcm
from orchestrator.notifications.result import SendResult
from orchestrator.notifications.webhooks import WebhookSender
from orchestrator.observability.logs import log
from orchestrator.observability.metrics import DELIVERIES
from orchestrator.services import Services

# The pauses that Standard Webhooks recommends; some three days in all.
AGAIN_AFTER_S = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
LEASE_S = 60.0


class Dispatcher:
    """What one process has in the air."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._webhooks = WebhookSender(services.settings)
        self._fcm = Fcm.open(services.settings)
        self._sending: set[asyncio.Task[None]] = set()

    async def aclose(self) -> None:
        """Stop; what is in the air is sent again by others once its lease is over."""
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)
        await self._webhooks.aclose()
        if self._fcm:
            await self._fcm.aclose()

    async def round(self, services: Services) -> int:
        """Begin to send what is due, as far as there is room; returns how many were begun."""
        room = services.settings.deliveries_at_once - len(self._sending)
        if room < 1:
            return 0
        async with services.db.begin() as session:
            found = await db.notifications.take_due_deliveries(session, room, LEASE_S)
        for due in found:
            task = asyncio.create_task(self._one(due))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        return len(found)

    async def settled(self) -> None:
        """Wait for what is in the air."""
        await asyncio.gather(*self._sending)

    async def _one(self, due: DueDelivery) -> None:
        started = time.perf_counter()
        try:
            outcome = await self._send(due)
            await self._note(due, outcome, round((time.perf_counter() - started) * 1000))
        except Exception as error:  # sent again once the lease is over
            log.error("notice not settled", delivery_id=str(due.delivery.id), exc_info=error)

    async def _send(self, due: DueDelivery) -> SendResult:
        body = due.delivery.body
        if due.webhook:
            if due.webhook.disabled_at:
                return SendResult(None, "the webhook is switched off: it has answered 410", final=True)
            return await self._webhooks.send(due.webhook, f"msg_{due.delivery.id.hex}", body)
        if due.device and self._fcm:
            return await self._fcm.send(due.device.token, body)
        return SendResult(None, "push is not set up (IRISVUE_FCM_CREDENTIALS)", final=True)

    async def _note(self, due: DueDelivery, outcome: SendResult, ms: int) -> None:
        delivery, kind = due.delivery, "webhook" if due.webhook else "push"
        tries = delivery.attempts
        over = outcome.final or tries > len(AGAIN_AFTER_S)
        status = DeliveryStatus.SENT if outcome.good else DeliveryStatus.DEAD if over else DeliveryStatus.PENDING
        pause = 0.0 if status != DeliveryStatus.PENDING else max(AGAIN_AFTER_S[tries - 1], outcome.retry_after_s or 0)
        async with self._services.db.begin() as session:
            facts = {"answer": outcome.answer, "error": outcome.error, "ms": ms}
            await db.notifications.record_attempt(session, delivery, status, pause, **facts)
            if outcome.gone and due.webhook:
                await db.notifications.disable_webhook(session, due.webhook.id)
            elif outcome.gone and due.device:
                await db.notifications.delete_device(session, due.device.user_id, due.device.id)
        DELIVERIES.labels(kind, status.value).inc()
        words = {"delivery_id": str(delivery.id), "kind": kind, "status": status.value, "attempt": tries}
        log.info("notice", **words, error=outcome.error)
