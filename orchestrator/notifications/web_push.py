"""Pushes to browsers: encrypted for the one browser (RFC 8291), and sent to the push service that it has named."""

import json
from typing import Any

import httpcore
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from webpush import WebPush as Encryption
from webpush import WebPushSubscription

from orchestrator.config import Settings
from orchestrator.db.tables import Device
from orchestrator.notifications import vapid
from orchestrator.notifications.posting import Posting, retry_after_of
from orchestrator.notifications.push_content import TITLE, data_of, text_of
from orchestrator.notifications.result import SendResult, retry_after_s
from orchestrator.words.catalogue import ENGLISH

TTL_S = 86_400  # how long a push service keeps a message for a browser that is not running
NOT_WANTED = (404, 410)
TRANSIENT = (401, 403, 408, 429)  # a wrong clock and a wrong key are mended


class WebPush:
    """Sends pushes under one key."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, contact: str, posting: Posting) -> None:
        self._key = key
        self._contact = contact
        self._posting = posting
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        self._encryption = Encryption(pem, public, contact)

    @classmethod
    def open(cls, settings: Settings, posting: Posting) -> "WebPush | None":
        """The sender of these settings; None where web push is not set up. Raises SetupError for a broken key."""
        key = vapid.private_key(settings)
        return cls(key, _contact(settings), posting) if key else None

    async def send(self, device: Device, body: dict[str, Any]) -> SendResult:
        """Try once. `unwanted`: the subscription is gone."""
        content = {"title": TITLE, "body": text_of(body, device.language or ENGLISH), **data_of(body)}
        headers = {
            "Authorization": vapid.authorization(self._key, device.token, self._contact),  # the library's lacks ports
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(TTL_S),
            "Urgency": "high",
            "Topic": content["job_id"].replace("-", ""),  # a repetition takes the place of what still waits
        }
        return await self._posting.post(device.token, headers, self._encrypted(device, content), _result_of)

    def _encrypted(self, device: Device, content: dict[str, str]) -> bytes:
        to = WebPushSubscription.model_validate({"endpoint": device.token, "keys": device.push_keys})
        encrypted: bytes = self._encryption.get(json.dumps(content, ensure_ascii=False), to).encrypted
        return encrypted


def _contact(settings: Settings) -> str:
    """Whom push services may ask. Apple's takes no address of this machine, and few services check it."""
    if settings.vapid_contact:
        return settings.vapid_contact
    return settings.public_url if settings.public_url.startswith("https://") else "mailto:irisvue@localhost"


def _result_of(response: httpcore.Response) -> SendResult:
    status = response.status
    if 200 <= status < 300:
        return SendResult(status)
    unwanted = status in NOT_WANTED
    transient = status in TRANSIENT or status >= 500
    wait = retry_after_s(retry_after_of(response))
    return SendResult(status, f"answered {status}", unwanted, final=not transient, retry_after_s=wait)
