"""Reads and checks the settings before a process starts; names each one that is wrong, with an example."""

import difflib
import os
import re
from collections.abc import Callable

from pydantic import SecretStr, ValidationError
from pydantic_settings import SettingsError

from orchestrator.addresses import postgresql, redis
from orchestrator.addresses.parts import AddressError, length, redacted
from orchestrator.config import Settings, settings
from orchestrator.errors import SetupError

PREFIX = "IRISVUE_"
# Read by the clients, and by `irisvue up` for the networks' server; not by the service.
OTHER_NAMES = {"IRISVUE_URL", "IRISVUE_TOKEN", "IRISVUE_TRITON_PROFILE"}
MIN_SECRET = 32  # RFC 7518: an HS256 key has at least as many bits as the hash

VAPID_KEY = r"|[0-9a-fA-F]{64}|[A-Za-z0-9_-]{43}=?"

WEB = r"https?://[^/?#@\s]+([/?#][^@\s]*)?"  # no user, no password: other settings hold them, or nothing does

# What a setting must look like: a pattern and an example. The addresses with passwords are read by their own modules.
SHAPES: dict[str, tuple[str, str]] = {
    "storage_url": (r"file:///.+|s3://[^/@:]+(/[^@]*)?", "s3://bucket/prefix"),
    "model_repository": (r"s3://[^/@:]+(/[^@]*)?|(?!s3:).+", "s3://models/repository"),
    "public_url": (WEB, "https://iris.example.com"),
    "s3_endpoint": (WEB, "https://s3.example.com"),
    "s3_public_endpoint": (WEB, "https://s3.example.com"),
    "jwks_url": (WEB, "https://id.example.com/.well-known/jwks.json"),
    "triton_url": (r"dns:///[^@,]+:\d+|[^/,@]+:\d+(,[^/,@]+:\d+)*", "triton-1:8001,triton-2:8001"),
    "otlp_endpoint": (r"https?://.+", "http://collector:4318"),
    "deep_link": (r"[a-z][a-z0-9+.-]*:\S*\{job_id\}\S*", "myapp://iris/{job_id}"),
    "vapid_contact": (r"|mailto:[^@\s]+@[^@\s]+|https://\S+", "mailto:ops@example.com"),
    "worker_classes": (r"(interactive|background)(,(interactive|background))*", "interactive,background"),
    "log_level": (r"DEBUG|INFO|WARNING|ERROR", "INFO"),
}
CHECKS: dict[str, Callable[[str], object]] = {"database_url": postgresql.arguments, "redis_url": redis.pool}
WORD, PATH = r"[\w.,:/ -]{0,24}", r"[\w.,:/ -]*"
EXAMPLES = {name: example for name, (_, example) in SHAPES.items()} | {
    "database_url": "postgresql+asyncpg://user:password@host/irisvue",
    "redis_url": "redis://:password@host:6379/0",
    "jwt_secret": "the output of: openssl rand -hex 32",
    "link_secret": "the output of: openssl rand -hex 32",
    "vapid_key": "the output of: openssl rand -hex 32",
    "fcm_credentials": "/run/secrets/firebase.json",
    "inference": "triton",
    "s3_encryption": "aws:kms",
    "regions": '{"eu": "https://eu.iris.example.com"}',
}


def read_settings() -> Settings:
    """This process's settings. Raises SetupError with a line for each one that is wrong or missing."""
    values = typed_settings()
    if lines := [*_wrong_shapes(values), *_missing_or_contradictory(values)]:
        raise SetupError("\n".join(lines))
    return values


def typed_settings() -> Settings:
    """This process's settings; each is of its type, and nothing else is known of it. Raises SetupError."""
    try:
        return settings()
    except ValidationError as error:
        lines = [_line(str(e["loc"][0]).lower(), e["msg"], e["input"]) for e in error.errors()]
        raise SetupError("\n".join(lines)) from None
    except SettingsError as error:  # a value that should be JSON is not
        field = re.search(r'field "(\w+)"', str(error))
        raise SetupError(_not_json(field[1] if field else "")) from None


def unknown_names() -> list[str]:
    """A line for each IRISVUE_* in the environment that is not a setting, with the one that was probably meant."""
    fields = [name.upper() for name in Settings.model_fields]
    known = {PREFIX + name for name in fields} | OTHER_NAMES
    lines = []
    for name in sorted(name for name in os.environ if name.upper().startswith(PREFIX)):
        if name.upper() in known:
            continue
        similar = difflib.get_close_matches(name.upper().removeprefix(PREFIX), fields, 1, 0.7)
        lines.append(f"{name} is not a setting" + (f"; did you mean {PREFIX}{similar[0]}?" if similar else "."))
    return lines


def _line(name: str, problem: str, value: object) -> str:
    """What is wrong with a setting, with what may be shown of its value and an example."""
    example = EXAMPLES.get(name, Settings.model_fields[name].default)
    setting = PREFIX + name.upper()
    return f"{setting} is {_displayed(name, str(value))}: {problem}. Example: {setting}={example}"


def _displayed(name: str, value: str) -> str:
    """A value for a message. What may be a secret, also one that was set under a wrong name, is only a length."""
    if "://" in value:
        return redacted(value)
    secret = isinstance(Settings.model_fields[name].default, SecretStr) or "secret" in name or "key" in name
    if name in CHECKS:
        secret = value not in EXAMPLES[name]  # a word of the example is none
    harmless = PATH if name == "fcm_credentials" else WORD
    return length(value) if secret or not re.fullmatch(harmless, value) else repr(value)


def _not_json(field: str) -> str:
    name = PREFIX + field.upper()
    return _line(field, "it is not JSON", os.environ.get(name, os.environ.get(name.lower(), "")))


def _wrong_shapes(values: Settings) -> list[str]:
    lines = []
    for name, (shape, _) in SHAPES.items():
        value = getattr(values, name)
        if value is not None and not re.fullmatch(shape, value):
            lines.append(_line(name, "it does not have this setting's form", value))
    for name, check in CHECKS.items():
        try:
            check(getattr(values, name))
        except AddressError as error:
            lines.append(_line(name, error.detail, getattr(values, name)))
    return lines


def _missing_or_contradictory(values: Settings) -> list[str]:
    lines = []
    if values.jwt_secret is None and values.jwks_url is None:
        keys, secret = (f"{PREFIX}{name.upper()}={EXAMPLES[name]}" for name in ("jwks_url", "jwt_secret"))
        lines.append(f"No one could sign in. Set {keys}, or {secret}")
    if values.jwt_secret is not None and len(values.jwt_secret.get_secret_value()) < MIN_SECRET:
        lines.append(_line("jwt_secret", f"at least {MIN_SECRET} are needed", values.jwt_secret.get_secret_value()))
    if values.storage_url.startswith("file:") and not values.link_secret.get_secret_value():
        lines.append(f"Links to a folder's objects must be signed. Set {PREFIX}LINK_SECRET={EXAMPLES['link_secret']}")
    if values.s3_kms_key_id and not values.s3_encryption.startswith("aws:kms"):
        lines.append(_line("s3_encryption", "a KMS key is set beside it, so it must be aws:kms", values.s3_encryption))
    if (values.s3_access_key_id is None) != (values.s3_secret_access_key is None):
        missing = "s3_access_key_id" if values.s3_access_key_id is None else "s3_secret_access_key"
        lines.append(f"One half of the bucket's key is missing: set {PREFIX}{missing.upper()} too, or neither.")
    if values.fcm_credentials is not None and not os.path.isfile(values.fcm_credentials):  # Path.is_file may raise
        lines.append(_line("fcm_credentials", "there is no such file", values.fcm_credentials))
    if not re.fullmatch(VAPID_KEY, values.vapid_key.get_secret_value()):
        lines.append(_line("vapid_key", "it is no secret key of P-256", values.vapid_key.get_secret_value()))
    return lines
