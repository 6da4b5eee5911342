"""Ports that several API processes listen on, where they say so."""

import pytest

from orchestrator.api.server import listen
from orchestrator.embedded.ports import HOST, free_port


def test_a_port_has_several_listeners_only_where_all_share_it() -> None:
    port = free_port()
    with listen(HOST, port, shared=True), listen(HOST, port, shared=True), pytest.raises(OSError, match="in use"):
        listen(HOST, port, shared=False)
    with listen(HOST, port, shared=False), pytest.raises(OSError, match="in use"):
        listen(HOST, port, shared=True)
