"""The dispatcher: sends the deliveries that are due, tries again after ever longer pauses, and at last gives up."""

import asyncio
import time

from orchestrator import db
from orchestrator.db.notifications import DueDelivery
from orchestrator.db.tables import DeliveryStatus
from orchestrator.notifications import webhooks
from orchestrator.notifications.fcm import Fcm
from orchestrator.notifications.posting import Posting
from orchestrator.notifications.result import SendResult
from orchestrator.notifications.web_push import WebPush
from orchestrator.observability.logs import log
from orchestrator.observability.metrics import DELIVERIES
from orchestrator.services import Services
from orchestrator.words.catalogue import ENGLISH

# The pauses between tries that Standard Webhooks recommends, about three days in all.
PAUSES_S = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
LEASE_S = 60.0


class Dispatcher:
    """The deliveries that one process is sending."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._posting = Posting(services.settings)
        self._web_push = WebPush.open(services.settings, self._posting)
        self._fcm = Fcm.open(services.settings)
        self._sending: set[asyncio.Task[None]] = set()

    async def aclose(self) -> None:
        """Stop. Once their leases have run out, other workers send the deliveries that are not finished."""
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)
        await self._posting.aclose()
        if self._fcm:
            await self._fcm.aclose()

    async def send_due(self, services: Services) -> int:
        """Begin to send as many due deliveries as there is room for; returns how many."""
        room = services.settings.deliveries_at_once - len(self._sending)
        if room < 1:
            return 0
        async with services.db.begin() as session:
            deliveries = await db.notifications.take_due_deliveries(session, room, LEASE_S)
        for due in deliveries:
            task = asyncio.create_task(self._deliver(due))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        return len(deliveries)

    async def _deliver(self, due: DueDelivery) -> None:
        started = time.perf_counter()
        try:
            result = await self._send(due)
            await self._record(due, result, round((time.perf_counter() - started) * 1000))
        except Exception as error:  # sent again once the lease has run out
            log.error("delivery not recorded", delivery_id=str(due.delivery.id), exc_info=error)

    async def _send(self, due: DueDelivery) -> SendResult:
        body = due.delivery.body
        if due.webhook:
            if due.webhook.disabled_at:
                return SendResult(None, "the webhook is disabled: it has answered 410", final=True)
            return await webhooks.send(self._posting, due.webhook, f"msg_{due.delivery.id.hex}", body)
        if due.device and due.device.push_keys:
            if self._web_push:
                return await self._web_push.send(due.device, body)
            return SendResult(None, "web push is not set up (IRISVUE_VAPID_KEY)", final=True)
        if due.device and self._fcm:
            return await self._fcm.send(due.device.token, body, due.device.language or ENGLISH)
        return SendResult(None, "push is not set up (IRISVUE_FCM_CREDENTIALS)", final=True)

    async def _record(self, due: DueDelivery, result: SendResult, ms: int) -> None:
        delivery, kind = due.delivery, "webhook" if due.webhook else "push"
        status, pause_s = _next(delivery.attempts, result)
        async with self._services.db.begin() as session:
            columns = {"answer": result.status, "error": result.error, "ms": ms}
            await db.notifications.record_attempt(session, delivery, status, pause_s, **columns)
            if result.unwanted and due.webhook:
                await db.notifications.disable_webhook(session, due.webhook.id)
            elif result.unwanted and due.device:
                await db.notifications.delete_device(session, due.device.user_id, due.device.id)
        DELIVERIES.labels(kind, status.value).inc()
        fields = {"delivery_id": str(delivery.id), "kind": kind, "status": status.value, "attempt": delivery.attempts}
        log.info("delivery", **fields, error=result.error)


def _next(attempts: int, result: SendResult) -> tuple[DeliveryStatus, float]:
    """The status of a delivery after this many attempts, and the pause in seconds before the next one."""
    if result.delivered:
        return DeliveryStatus.SENT, 0.0
    if result.final or attempts > len(PAUSES_S):
        return DeliveryStatus.DEAD, 0.0
    return DeliveryStatus.PENDING, max(PAUSES_S[attempts - 1], min(result.retry_after_s or 0.0, PAUSES_S[-1]))
