"""Sends one message to a webhook, once: signed as Standard Webhooks describes."""

import base64
import hashlib
import hmac
import json
import time
from datetime import UTC, datetime
from typing import Any

import httpcore

from orchestrator.db.tables import Webhook
from orchestrator.notifications.posting import Posting, retry_after_of
from orchestrator.notifications.result import SendResult, retry_after_s

AGENT = "Irisvue-Webhooks/1"


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """One signature. Source: the Standard Webhooks specification, "Signature scheme"."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def headers_of(webhook: Webhook, message_id: str, body: bytes) -> dict[str, str]:
    """The headers of one try. For a while after a change of secrets, it is signed with both."""
    now = int(time.time())
    secrets = [webhook.secret]
    if webhook.old_secret and webhook.old_secret_until and webhook.old_secret_until > datetime.now(UTC):
        secrets.append(webhook.old_secret)
    return {
        "Content-Type": "application/json",
        "User-Agent": AGENT,
        "webhook-id": message_id,
        "webhook-timestamp": str(now),
        "webhook-signature": " ".join(sign(secret, message_id, now, body) for secret in secrets),
    }


async def send(posting: Posting, webhook: Webhook, message_id: str, body: dict[str, Any]) -> SendResult:
    """Try once to send a message to a webhook."""
    data = json.dumps(body, separators=(",", ":")).encode()
    return await posting.post(webhook.url, headers_of(webhook, message_id, data), data, _result_of)


def _result_of(response: httpcore.Response) -> SendResult:
    status = response.status
    if 200 <= status < 300:
        return SendResult(status)
    if status == 410:
        return SendResult(status, "410: it wants no more messages", unwanted=True, final=True)
    if 300 <= status < 400:
        return SendResult(status, f"{status}: redirects are not followed; register the address that they lead to")
    return SendResult(status, f"answered {status}", retry_after_s=retry_after_s(retry_after_of(response)))
