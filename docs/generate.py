"""Writes the pages that are read off the code: every setting, and the API. `make docs` runs it; a test compares."""

import json
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from orchestrator.api.app import create_app
from orchestrator.config import ROOT, Settings

HERE = Path(__file__).parent
SETTINGS_INTRO = """# Settings

Written by `make docs` from `orchestrator/config.py`; change that, not this page. Every setting is an environment
variable. `irisvue up` sets what one machine needs and keeps it in `DATA/secrets/settings.json`; a cluster sets
them itself. Sizes are in bytes, names that end in `_s` are seconds.

| name | default | what it is |
|---|---|---|
"""
API_INTRO = """# API reference

Written by `make docs` from the OpenAPI document; change the code, not this page. A running service has the
document on `/openapi.json` and pages to try it on `/docs`; `irisvue openapi` prints it. All calls but `/health`,
`/metrics` and signed links need `Authorization: Bearer <JWT>`. Errors are `application/problem+json` with `title`,
`status`, `detail` (a sentence for people) and `code`.
"""


def settings_page() -> str:
    """The page of all settings."""
    rows = []
    for name, field in Settings.model_fields.items():
        words = field.description or _words(name)
        rows.append(f"| `IRISVUE_{name.upper()}` | {_default(field.default)} | {words.replace('|', chr(92) + '|')} |")
    return SETTINGS_INTRO + "\n".join(rows) + "\n"


def _default(value: Any) -> str:
    if value is None or value is PydanticUndefined:
        return "unset"
    if isinstance(value, SecretStr):
        return f"`{value.get_secret_value()}`" if value.get_secret_value() else "unset"
    text = str(value).replace(str(ROOT), "…")
    return f"`{text}`" if text else "empty"


def _words(name: str) -> str:
    raise SystemExit(f"orchestrator/config.py: {name} has no description")


def api_page() -> str:
    """The page of all calls, by what they are about, and of the JSON that they take and give."""
    document = create_app(Settings()).openapi()
    parts = [API_INTRO]
    by_tag: dict[str, list[str]] = {}
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            by_tag.setdefault(call.get("tags", ["other"])[0], []).append(_call(method, path, call))
    for tag, calls_of in by_tag.items():
        parts.append(f"## {tag.capitalize()}\n\n" + "\n".join(calls_of))
    schemas = document["components"]["schemas"]
    parts.append("## JSON\n\n" + "\n".join(_schema(name, schemas[name]) for name in sorted(schemas) if _shown(name)))
    return "\n".join(parts)


def _shown(name: str) -> bool:
    return not name.startswith(("Body_", "HTTPValidation", "Validation"))


def _call(method: str, path: str, call: dict[str, Any]) -> str:
    lines = [f"### `{method.upper()} {path}`\n", call.get("description") or call.get("summary", ""), ""]
    asked = call.get("requestBody", {}).get("content", {})
    for kind, content in asked.items():
        lines.append(f"Body: {_type(content['schema']) if kind == 'application/json' else f'`{kind}`'}  ")
    query = [p for p in call.get("parameters", []) if p["in"] in ("query", "header")]
    if query:
        lines.append("Parameters: " + ", ".join(f"`{p['name']}`" for p in query) + "  ")
    answers = []
    for status, answer in call["responses"].items():
        content = answer.get("content", {}).get("application/json")
        answers.append(f"{status} {_type(content['schema'])}" if content and "schema" in content else status)
    lines.append("Answers: " + " · ".join(answer.strip() for answer in answers) + "\n")
    return "\n".join(lines)


def _schema(name: str, schema: dict[str, Any]) -> str:
    lines = [f"### {name}\n", schema.get("description", ""), ""]
    if "enum" in schema:
        return "\n".join([*lines, "One of " + ", ".join(f"`{value}`" for value in schema["enum"]) + ".\n"])
    lines += ["| field | type | |", "|---|---|---|"]
    for field, about in schema.get("properties", {}).items():
        needed = "" if field in schema.get("required", []) else "may be left out"
        words = "; ".join(filter(None, [about.get("description", ""), needed]))
        lines.append(f"| `{field}` | {_type(about)} | {words} |")
    return "\n".join([*lines, ""])


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    known = schema.get("format") or schema.get("type")
    return str(known) if known else json.dumps(schema.get("const", "anything"))


PAGES = {"settings.md": settings_page, "api.md": api_page}

if __name__ == "__main__":
    for name, write in PAGES.items():
        (HERE / name).write_text(write())
