"""Keys of web push: this service's own (VAPID, RFC 8292), and those of browsers (RFC 8291)."""

import base64
import binascii
import re
import time
from functools import cache
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from orchestrator.config import Settings
from orchestrator.errors import Invalid, SetupError

CURVE = ec.SECP256R1()
AUTH_BYTES = 16
VALID_S = 12 * 3600  # push services accept a day at most


def private_key(settings: Settings) -> ec.EllipticCurvePrivateKey | None:
    """The key that signs; None where web push is not set up. Raises SetupError."""
    text = settings.vapid_key.get_secret_value()
    return _private_key(text) if text else None


@cache
def _private_key(text: str) -> ec.EllipticCurvePrivateKey:
    try:
        number = bytes.fromhex(text) if re.fullmatch("[0-9a-fA-F]{64}", text) else _decoded(text)
        return ec.derive_private_key(int.from_bytes(number), CURVE)
    except ValueError:
        raise SetupError("IRISVUE_VAPID_KEY is no secret key of P-256. Make one: openssl rand -hex 32") from None


def public_text(key: ec.EllipticCurvePrivateKey) -> str:
    """The public half, as browsers and push services read it: an uncompressed point in base64url."""
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return base64.urlsafe_b64encode(point).rstrip(b"=").decode()


def public_key(settings: Settings) -> str | None:
    """The public half of these settings' key; None where web push is not set up. Raises SetupError."""
    key = private_key(settings)
    return public_text(key) if key else None


def authorization(key: ec.EllipticCurvePrivateKey, endpoint: str, contact: str) -> str:
    """The Authorization header for one push service; `contact` is a mailto: or https: address."""
    parts = urlsplit(endpoint)
    claims = {"aud": f"{parts.scheme}://{parts.netloc}", "exp": int(time.time()) + VALID_S, "sub": contact}
    return f"vapid t={jwt.encode(claims, key, 'ES256')}, k={public_text(key)}"


def check_browser_keys(keys: dict[str, str]) -> None:
    """Refuse keys for which nothing can be encrypted. Raises Invalid."""
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(CURVE, _decoded(keys["p256dh"]))
        whole = len(_decoded(keys["auth"])) == AUTH_BYTES
    except ValueError:
        whole = False
    if not whole:
        raise Invalid("The keys of this push subscription are broken. Subscribe again and send them as they are.")


def _decoded(text: str) -> bytes:
    """Base64url, with or without its padding. Raises ValueError."""
    try:
        padded = text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4)
        return base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError(text) from error
