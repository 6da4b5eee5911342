"""A browser's push service, and the browser behind it: takes messages, checks who sent them, and decrypts them.

Written from RFC 8030 (the service), 8188 and 8291 (encryption) and 8292 (VAPID); shares no code with what it checks.
"""

import base64
import json
import os
import struct
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.receivers import Answer, Received, Receiver


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _hmac(key: bytes, data: bytes) -> bytes:
    code = hmac.HMAC(key, hashes.SHA256())
    code.update(data)
    return code.finalize()


def _point(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


@dataclass
class Subscription:
    """One browser's subscription with its private key, and what has arrived for it; `answers` come before 201."""

    endpoint: str
    private: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    auth: bytes = field(default_factory=lambda: os.urandom(16))
    answers: list[Answer] = field(default_factory=list)
    requests: list[Received] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)

    @property
    def keys(self) -> dict[str, str]:
        return {"p256dh": base64url(_point(self.private)), "auth": base64url(self.auth)}

    @property
    def device(self) -> dict[str, Any]:
        """The body that registers it."""
        return {"token": self.endpoint, "platform": "web", "keys": self.keys}

    def decrypted(self, body: bytes) -> bytes:
        """RFC 8291 section 3.4, and RFC 8188 section 2 for the single record."""
        salt, record_size, length = body[:16], struct.unpack("!L", body[16:20])[0], body[20]
        sender, record = body[21 : 21 + length], body[21 + length :]
        assert length == 65 and len(record) <= record_size
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender)
        prk_key = _hmac(self.auth, self.private.exchange(ec.ECDH(), public))
        ikm = _hmac(prk_key, b"WebPush: info\x00" + _point(self.private) + sender + b"\x01")
        prk = _hmac(salt, ikm)
        key = _hmac(prk, b"Content-Encoding: aes128gcm\x00\x01")[:16]
        nonce = _hmac(prk, b"Content-Encoding: nonce\x00\x01")[:12]
        padded = AESGCM(key).decrypt(nonce, record, None).rstrip(b"\x00")
        assert padded.endswith(b"\x02"), "the last record"
        return padded[:-1]


class PushService:
    """Takes messages for its subscriptions; one of an unknown subscription is answered 410."""

    def __init__(self, server: Receiver) -> None:
        self._url = server.url
        self._by_path: dict[str, Subscription] = {}
        self.public_key: str | None = None  # that browsers have subscribed with; any if None
        server.always = self._answer

    def subscribe(self) -> Subscription:
        path = f"/push/{uuid4()}"
        self._by_path[path] = Subscription(self._url + path)
        return self._by_path[path]

    def _answer(self, request: Received) -> Answer:
        subscription = self._by_path.get(request.path)
        if subscription is None:
            return 410, {}, b""
        subscription.requests.append(request)
        if subscription.answers:
            return subscription.answers.pop(0)
        if problem := self._problem_with(request):
            return 403, {}, problem.encode()
        subscription.messages.append(json.loads(subscription.decrypted(request.body)))
        return 201, {"Location": f"{self._url}/message/1"}, b""

    def _problem_with(self, request: Received) -> str | None:
        """RFC 8030 section 5 and RFC 8292 sections 2 and 4."""
        headers = request.headers
        if headers["content-encoding"] != "aes128gcm" or not headers["ttl"].isdigit():
            return "no TTL, or another encoding"
        if len(request.body) > 4096 or len(headers["topic"]) > 32:
            return "too long"
        scheme, _, rest = headers["authorization"].partition(" ")
        given = dict(part.strip().split("=", 1) for part in rest.split(","))
        if scheme != "vapid" or self.public_key not in (None, given["k"]):
            return "another key"
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), from_base64url(given["k"]))
        parts = urlsplit(self._url)
        claims = jwt.decode(given["t"], public, ["ES256"], audience=f"{parts.scheme}://{parts.netloc}")
        if claims["exp"] > time.time() + 86_400 or not claims["sub"].startswith(("mailto:", "https:")):
            return "valid for too long, or without a contact"
        return None
