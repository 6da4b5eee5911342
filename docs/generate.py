"""Writes the pages that are generated from code: settings and API. `make docs` runs it; a test compares the pages."""

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
them itself. Sizes are in bytes; settings whose names end in `_s` are in seconds.

| name | default | what it is |
|---|---|---|
"""
API_INTRO = """# API reference

Written by `make docs` from the OpenAPI document; change the code, not this page. A running service serves
the document at `/openapi.json` and pages to try it at `/docs`; `irisvue openapi` prints it. All calls except `/health`,
`/metrics` and signed links need `Authorization: Bearer <JWT>`. Errors are `application/problem+json` with `title`,
`status`, `detail` (a sentence for people) and `code`.
"""


def settings_page() -> str:
    """The page that lists every setting."""
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
    """The page of all API calls, grouped by tag, and of their JSON."""
    document = create_app(Settings()).openapi()
    parts = [API_INTRO]
    by_tag: dict[str, list[str]] = {}
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            by_tag.setdefault(call.get("tags", ["other"])[0], []).append(_call(method, path, call))
    for tag, sections in by_tag.items():
        parts.append(f"## {tag.capitalize()}\n\n" + "\n".join(sections))
    schemas = document["components"]["schemas"]
    parts.append(
        "## JSON\n\n" + "\n".join(_schema(name, schemas[name]) for name in sorted(schemas) if _is_documented(name))
    )
    return "\n".join(parts)


def _is_documented(name: str) -> bool:
    return not name.startswith(("Body_", "HTTPValidation", "Validation"))


def _call(method: str, path: str, call: dict[str, Any]) -> str:
    lines = [f"### `{method.upper()} {path}`\n", call.get("description") or call.get("summary", ""), ""]
    bodies = call.get("requestBody", {}).get("content", {})
    for kind, content in bodies.items():
        lines.append(f"Body: {_type(content['schema']) if kind == 'application/json' else f'`{kind}`'}  ")
    query = [p for p in call.get("parameters", []) if p["in"] in ("query", "header")]
    if query:
        lines.append("Parameters: " + ", ".join(f"`{p['name']}`" for p in query) + "  ")
    responses = []
    for status, response in call["responses"].items():
        content = response.get("content", {}).get("application/json")
        responses.append(f"{status} {_type(content['schema'])}" if content and "schema" in content else status)
    lines.append("Answers: " + " · ".join(response.strip() for response in responses) + "\n")
    return "\n".join(lines)


def _schema(name: str, schema: dict[str, Any]) -> str:
    lines = [f"### {name}\n", schema.get("description", ""), ""]
    if "enum" in schema:
        return "\n".join([*lines, "One of " + ", ".join(f"`{value}`" for value in schema["enum"]) + ".\n"])
    lines += ["| field | type | |", "|---|---|---|"]
    for field, content in schema.get("properties", {}).items():
        optional = "" if field in schema.get("required", []) else "may be left out"
        words = "; ".join(filter(None, [content.get("description", ""), optional]))
        lines.append(f"| `{field}` | {_type(content)} | {words} |")
    return "\n".join([*lines, ""])


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_type(option) for option in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    kind = schema.get("format") or schema.get("type")
    return str(kind) if kind else json.dumps(schema.get("const", "anything"))


PAGES = {"settings.md": settings_page, "api.md": api_page}

if __name__ == "__main__":
    for name, write in PAGES.items():
        (HERE / name).write_text(write())
