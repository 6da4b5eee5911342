"""Which running Irisvue a command talks to, and as whom."""

import json
from pathlib import Path

from orchestrator.auth.tokens import MODELS_WRITE, make_token
from orchestrator.embedded.stack import DEVELOPER, is_running
from orchestrator.errors import SetupError


def find(server: str | None, token: str | None, data: Path) -> tuple[str, str] | None:
    """Address and token: those given, or those of the stack that runs on the data folder. Raises SetupError."""
    if server:
        if not token:
            raise SetupError("--server needs --token (make one with: irisvue token --user UUID).")
        return server, token
    note, secret = data / "irisvue.lock", data / "secrets" / "jwt"
    if not is_running(data):
        return None
    try:
        address = str(json.loads(note.read_text())["address"])
        return address, make_token(DEVELOPER, secret.read_text(), scope=MODELS_WRITE)
    except (OSError, ValueError, KeyError):
        return None


def must_find(server: str | None, token: str | None, data: Path) -> tuple[str, str]:
    """As `find`. Raises SetupError also where nothing runs."""
    found = find(server, token, data)
    if found is None:
        raise SetupError(f"No Irisvue runs on {data}. Start one (irisvue up), or name one: --server URL --token T.")
    return found
