"""Sends one message to a webhook, once: signed as Standard Webhooks describes, and only to public addresses."""

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
import time
from datetime import UTC, datetime
from typing import Any

import httpcore

from orchestrator.config import Settings
from orchestrator.db.tables import Webhook
from orchestrator.notifications.public_addresses import NotPublic, PublicOnly
from orchestrator.notifications.result import SendResult, retry_after_s

AGENT = "Irisvue-Webhooks/1"


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """One signature. Source: the Standard Webhooks specification, "Signature scheme"."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def headers_of(webhook: Webhook, message_id: str, body: bytes) -> dict[bytes | str, bytes | str]:
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


class WebhookSender:
    """Posts to webhooks; follows no redirects and keeps no connections open."""

    def __init__(self, settings: Settings) -> None:
        self._timeout_s = settings.webhook_timeout_s
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl.create_default_context(),
            max_connections=settings.deliveries_at_once,
            max_keepalive_connections=0,
            network_backend=PublicOnly(settings.webhook_private_addresses),
        )

    async def aclose(self) -> None:
        """Close."""
        await self._pool.aclose()

    async def send(self, webhook: Webhook, message_id: str, body: dict[str, Any]) -> SendResult:
        """Try once."""
        data = json.dumps(body, separators=(",", ":")).encode()
        headers = headers_of(webhook, message_id, data)
        result: SendResult | None = None  # an answer counts, however the connection ends after it
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._pool.stream("POST", webhook.url, headers=headers, content=data) as response,
            ):
                result = _result_of(response)  # its body is not read
        except TimeoutError:
            result = result or SendResult(None, f"no answer within {self._timeout_s:g} s")
        except NotPublic as error:
            result = SendResult(None, str(error))
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, ssl.SSLError) as error:
            result = result or SendResult(None, f"{type(error).__name__}: {error}"[:200])
        return result


def _result_of(response: httpcore.Response) -> SendResult:
    status = response.status
    if 200 <= status < 300:
        return SendResult(status)
    if status == 410:
        return SendResult(status, "410: it wants no more messages", unwanted=True, final=True)
    if 300 <= status < 400:
        return SendResult(status, f"{status}: redirects are not followed; register the address that they lead to")
    header = next((value for name, value in response.headers if name.lower() == b"retry-after"), b"")
    return SendResult(status, f"answered {status}", retry_after_s=retry_after_s(header.decode("latin-1")))
