"""Bearer tokens: who is calling. HS256 with a shared secret, or RS256/ES256 with keys from a JWKS address."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import jwt

from orchestrator.auth.jwks import Keys, keys_at
from orchestrator.config import Settings
from orchestrator.errors import SetupError, Unauthorized, WrongRegion

MODELS_WRITE = "models:write"
WEBHOOKS_ALL = "webhooks:all"
JOBS_ALL = "jobs:all"
USAGE_READ = "usage:read"
MAX_TENANT = 100


@dataclass(frozen=True)
class Caller:
    """Who is calling, and the scopes of their token: what they may do beyond using their own photos.

    `tenant` is whom the user belongs to, as the token says; "" where it says nothing.
    """

    user: UUID
    scopes: frozenset[str]
    tenant: str = ""


def user_of(token: str, settings: Settings, keys: Keys | None = None) -> UUID:
    """The user id in `token`; see `caller_of`."""
    return caller_of(token, settings, keys).user


def caller_of(token: str, settings: Settings, keys: Keys | None = None) -> Caller:
    """The user id and the scopes in `token` (RFC 8693: one string with spaces between them).

    Where a JWKS address is configured, this may read it: call it off the event loop then. Its keys are the process's
    own set, or `keys`.

    Raises:
        Unauthorized: expired, not valid yet, forged, or its subject is not a UUID; the message says which.
        KeysUnavailable: the JWKS address has not answered for too long.
        WrongRegion: the token's claim `region` names another installation.
    """
    try:
        if settings.jwks_url:
            key: object = (keys or keys_at(settings.jwks_url)).of(token).key
            algorithms = ["RS256", "ES256"]
        elif settings.jwt_secret:
            key, algorithms = settings.jwt_secret.get_secret_value(), ["HS256"]
        else:
            raise SetupError("Set IRISVUE_JWT_SECRET or IRISVUE_JWKS_URL.")
        claims = jwt.decode(
            token,
            key,  # type: ignore[arg-type]
            algorithms=algorithms,
            audience=settings.jwt_audience,
            issuer=settings.jwt_issuer,
            leeway=settings.token_leeway_s,
            options={"require": ["exp", "sub"], "verify_aud": settings.jwt_audience is not None},
        )
        if settings.region and claims.get("region", settings.region) != settings.region:
            raise WrongRegion(_other_region(str(claims["region"]), settings))
        tenant = str(claims.get(settings.tenant_claim) or "")[:MAX_TENANT].replace("\x00", "")
        return Caller(UUID(claims["sub"]), frozenset(str(claims.get("scope", "")).split()), tenant)
    except jwt.ExpiredSignatureError as error:
        raise Unauthorized("The token has expired.") from error
    except jwt.ImmatureSignatureError as error:
        raise Unauthorized("The token is not valid yet. Is the clock of the server that signs it right?") from error
    except jwt.PyJWTError as error:
        raise Unauthorized("The token is not valid.") from error
    except ValueError as error:
        raise Unauthorized("The token's subject must be a user id (UUID).") from error


def _other_region(region: str, settings: Settings) -> str | None:
    address = settings.regions.get(region)
    return f"Your data is kept in the region {region}. Call {address}" if address else None


def make_token(
    user: UUID, secret: str, lifetime: timedelta = timedelta(days=30), scope: str = "", **claims: str
) -> str:
    """Sign a token for `user` with the shared secret (development and tests)."""
    named = {"sub": str(user), "exp": datetime.now(UTC) + lifetime} | ({"scope": scope} if scope else {}) | claims
    return jwt.encode(named, secret, algorithm="HS256")
