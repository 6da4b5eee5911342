"""Users of the live API: their tokens, and clients that send them."""

from uuid import UUID

import httpx

from orchestrator.auth.tokens import make_token
from orchestrator.embedded.stack import Stack


def bearer(stack: Stack, user: UUID, scope: str = "") -> dict[str, str]:
    """The header that names the user."""
    return {"Authorization": f"Bearer {make_token(user, stack.env['IRISVUE_JWT_SECRET'], scope=scope)}"}


def client_of(stack: Stack, user: UUID, scope: str = "", timeout_s: float = 30) -> httpx.AsyncClient:
    """The live API, as this user."""
    return httpx.AsyncClient(base_url=stack.url, headers=bearer(stack, user, scope), timeout=timeout_s, trust_env=False)
