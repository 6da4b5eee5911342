"""Which settings a stack gives its processes."""

from pathlib import Path

import pytest

from orchestrator.embedded.stack import Options, _settings


@pytest.mark.parametrize(
    ("host", "public_url", "allowed"),
    [
        ("127.0.0.1", None, True),
        ("localhost", "http://localhost:8000", True),
        ("192.168.1.20", None, False),
        ("0.0.0.0", None, False),
        ("127.0.0.1", "https://iris.example.com", False),  # a tunnel leads here
    ],
)
def test_private_webhooks_only_while_no_other_machine_can_call(
    host: str, public_url: str | None, allowed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("IRISVUE_PUBLIC_URL", raising=False)
    if public_url:
        monkeypatch.setenv("IRISVUE_PUBLIC_URL", public_url)
    env = _settings(Options(tmp_path, host=host), tmp_path, f"http://{host}:8000")
    assert env["IRISVUE_WEBHOOK_PRIVATE_ADDRESSES"] == str(allowed)
