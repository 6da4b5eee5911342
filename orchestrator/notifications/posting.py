"""Posts to addresses that users have named, which may be public ones only."""

import asyncio
import ssl
from collections.abc import Callable

import httpcore

from orchestrator.config import Settings
from orchestrator.notifications.public_addresses import NotPublic, PublicOnly
from orchestrator.notifications.result import SendResult


class Posting:
    """Follows no redirects and keeps no connections open."""

    def __init__(self, settings: Settings) -> None:
        self._timeout_s = settings.webhook_timeout_s
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl.create_default_context(),
            max_connections=settings.deliveries_at_once,
            max_keepalive_connections=0,
            network_backend=PublicOnly(settings.webhook_private_addresses),
        )

    async def aclose(self) -> None:
        """Close."""
        await self._pool.aclose()

    async def post(
        self, url: str, headers: dict[str, str], data: bytes, result_of: Callable[[httpcore.Response], SendResult]
    ) -> SendResult:
        """Try once; `result_of` judges the answer, whose body is not read."""
        fields: dict[bytes | str, bytes | str] = dict(headers.items())
        result: SendResult | None = None  # an answer counts, however the connection ends after it
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._pool.stream("POST", url, headers=fields, content=data) as response,
            ):
                result = result_of(response)
        except TimeoutError:
            result = result or SendResult(None, f"no answer within {self._timeout_s:g} s")
        except NotPublic as error:
            result = SendResult(None, str(error))
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, ssl.SSLError) as error:
            result = result or SendResult(None, f"{type(error).__name__}: {error}"[:200])
        return result


def retry_after_of(response: httpcore.Response) -> str:
    """The answer's Retry-After header; nothing where there is none."""
    header = next((value for name, value in response.headers if name.lower() == b"retry-after"), b"")
    return header.decode("latin-1")
