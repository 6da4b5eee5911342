"""The settings, read and looked at before a process starts: what is wrong is said by name, with an example."""

import difflib
import os
import re

from pydantic import SecretStr, ValidationError
from pydantic_settings import SettingsError

from orchestrator.config import Settings, settings
from orchestrator.errors import SetupError

PREFIX = "IRISVUE_"
OTHERS = {"IRISVUE_URL", "IRISVUE_TOKEN"}  # the clients' own
MIN_SECRET = 32  # RFC 7518: a key of HS256 has at least as many bits as its hash

# What a setting has to look like, and how that is said.
SHAPES: dict[str, tuple[str, str]] = {
    "database_url": (r"postgresql\+asyncpg://.+/.+", "postgresql+asyncpg://user:password@host/irisvue"),
    "redis_url": (r"(rediss?|unix)://.+", "redis://:password@host:6379/0"),
    "storage_url": (r"file:///.+|s3://[^/]+.*", "s3://bucket/prefix"),
    "public_url": (r"https?://[^/]+.*", "https://iris.example.com"),
    "s3_endpoint": (r"https?://.+", "https://s3.example.com"),
    "s3_public_endpoint": (r"https?://.+", "https://s3.example.com"),
    "jwks_url": (r"https?://.+", "https://id.example.com/.well-known/jwks.json"),
    "triton_url": (r"dns:///.+:\d+|[^/,]+:\d+(,[^/,]+:\d+)*", "triton-1:8001,triton-2:8001"),
    "otlp_endpoint": (r"https?://.+", "http://collector:4318"),
    "log_level": (r"DEBUG|INFO|WARNING|ERROR", "INFO"),
}
EXAMPLES = {name: example for name, (_, example) in SHAPES.items()} | {
    "jwt_secret": "the output of: openssl rand -hex 32",
    "link_secret": "the output of: openssl rand -hex 32",
    "fcm_credentials": "/run/secrets/firebase.json",
    "inference": "triton",
    "s3_encryption": "aws:kms",
    "regions": '{"eu": "https://eu.iris.example.com"}',
}


def read_settings() -> Settings:
    """This process's settings. Raises SetupError with a line for everything that is wrong."""
    try:
        found = settings()
    except ValidationError as error:
        raise SetupError(
            "\n".join(_line(str(e["loc"][0]).lower(), e["msg"], e["input"]) for e in error.errors())
        ) from None
    except SettingsError as error:  # what should be JSON and is not
        name = re.search(r'field "(\w+)"', str(error))
        field = name[1] if name else ""
        value = os.environ.get(PREFIX + field.upper(), os.environ.get((PREFIX + field).lower(), ""))
        raise SetupError(_line(field, "it is no JSON", value)) from None
    wrong = [*_wrong_shapes(found), *_missing(found)]
    if wrong:
        raise SetupError("\n".join(wrong))
    return found


def unknown_names() -> list[str]:
    """A line for each IRISVUE_* in the environment that is no setting, with the one that was probably meant."""
    fields = [name.upper() for name in Settings.model_fields]
    known = {PREFIX + name for name in fields}
    lines = []
    for name in sorted(name for name in os.environ if name.upper().startswith(PREFIX)):
        if name.upper() in known | OTHERS:
            continue
        meant = difflib.get_close_matches(name.upper().removeprefix(PREFIX), fields, 1, 0.7)
        lines.append(f"{name} is no setting" + (f"; did you mean {PREFIX}{meant[0]}?" if meant else "."))
    return lines


def _line(name: str, wrong: str, value: object) -> str:
    default = Settings.model_fields[name].default
    example = EXAMPLES.get(name, default)
    secret = isinstance(default, SecretStr) or "secret" in name or "key" in name
    shown = f"a text of {len(str(value))} characters" if secret else repr(_hidden(str(value)))
    return f"{PREFIX}{name.upper()} is {shown}: {wrong}. Example: {PREFIX}{name.upper()}={example}"


def _hidden(value: str) -> str:
    """An address without its password."""
    return re.sub(r"(://[^:/@]*:)[^@/]+@", r"\1***@", value)


def _wrong_shapes(found: Settings) -> list[str]:
    lines = []
    for name, (shape, _) in SHAPES.items():
        value = getattr(found, name)
        if value is not None and not re.fullmatch(shape, value):
            lines.append(_line(name, "it does not look like that", value))
    return lines


def _missing(found: Settings) -> list[str]:
    lines = []
    if found.jwt_secret is None and found.jwks_url is None:
        one, other = (f"{PREFIX}{name.upper()}={EXAMPLES[name]}" for name in ("jwks_url", "jwt_secret"))
        lines.append(f"Nobody could sign in. Set {one}, or {other}")
    if found.jwt_secret is not None and len(found.jwt_secret.get_secret_value()) < MIN_SECRET:
        lines.append(_line("jwt_secret", f"at least {MIN_SECRET} are needed", found.jwt_secret.get_secret_value()))
    if found.storage_url.startswith("file:") and not found.link_secret.get_secret_value():
        lines.append(f"Links to a folder must be signed. Set {PREFIX}LINK_SECRET={EXAMPLES['link_secret']}")
    if found.s3_kms_key_id and not found.s3_encryption.startswith("aws:kms"):
        lines.append(_line("s3_encryption", "a key of the key service is named beside it", found.s3_encryption))
    if found.fcm_credentials is not None and not os.path.isfile(found.fcm_credentials):  # no error for a name too long
        lines.append(_line("fcm_credentials", "there is no such file", found.fcm_credentials))
    return lines
