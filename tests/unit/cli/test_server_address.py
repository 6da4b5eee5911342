"""Which running Irisvue a command calls, and whom it trusts there."""

from pathlib import Path

import pytest

from orchestrator.cli.server_address import RunningServer, ServerOptions, find_server, require_server
from orchestrator.embedded.certificate import local_certificate
from orchestrator.embedded.data_folder import hold_folder, secret, write_address
from orchestrator.errors import SetupError


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_commands_trust_the_certificate_of_the_data_folder(tmp_path: Path, scheme: str) -> None:
    options = ServerOptions(None, None, tmp_path)
    assert find_server(options) is None
    with pytest.raises(SetupError, match="Start one"):
        require_server(options)
    files = local_certificate(tmp_path, "iris.home")
    secret(tmp_path, "jwt")
    async with hold_folder(tmp_path):
        write_address(tmp_path, f"{scheme}://iris.home:8000")
        server = require_server(options)
        assert server.url == f"{scheme}://iris.home:8000"
        assert server.authority == (files.authority if scheme == "https" else None)
        await server.client().aclose()


def test_a_server_that_is_named_is_called_with_the_token_given(tmp_path: Path) -> None:
    named = ServerOptions("https://iris.example.com", "token", tmp_path)
    assert find_server(named) == RunningServer("https://iris.example.com", "token")
    with pytest.raises(SetupError, match="needs --token"):
        find_server(ServerOptions("https://iris.example.com", None, tmp_path))
