"""What can go wrong, in sentences for people."""

from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from irisvue._values import Job

RETRYABLE = (408, 429)


class IrisvueError(Exception):
    """The server refused the request, or could not be reached.

    Attributes:
        detail: a sentence for people, the same as str().
        status: the HTTP status; 0 where no answer came.
        code: the API's word for it, such as too_large; network where no answer came, or certificate, proxy or address
            where that is why.
        retry_after: for how many seconds the server asks to wait.
        request_id: the name that the server's log has for the request.
    """

    def __init__(
        self,
        detail: str,
        status: int = 0,
        code: str = "network",
        retry_after: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail, self.status, self.code = detail, status, code
        self.retry_after, self.request_id = retry_after, request_id

    @property
    def retry_after_s(self) -> float | None:
        """The name that `retry_after` had in 0.1."""
        return self.retry_after

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later."""
        if self.status == 0:
            return self.code == "network"
        return self.status in RETRYABLE or self.status >= 500

    @classmethod
    def of(cls, answer: httpx.Response) -> "IrisvueError":
        """The error in an answer other than 2xx, whose body has been read."""
        detail, code = f"The server answered {answer.status_code}.", "unexpected"
        try:
            problem = answer.json()
            detail, code = str(problem["detail"]), str(problem["code"])
        except (ValueError, KeyError, TypeError):
            pass  # not from the API: a proxy's page, for example
        after = answer.headers.get("Retry-After", "")
        pause, request_id = float(after) if after.isdigit() else None, answer.headers.get("X-Request-ID")
        return _KINDS.get(answer.status_code, IrisvueError)(detail, answer.status_code, code, pause, request_id)


class AuthError(IrisvueError):
    """The token is missing, unreadable or has run out (401), or does not allow this (403).

    `status` is 0 where the token is empty or can't be sent; nothing has been sent then.
    """


class RateLimited(IrisvueError):
    """The caller has asked for more than the limits allow at a time; `retry_after` says when to ask again."""


_KINDS: dict[int, type[IrisvueError]] = {401: AuthError, 403: AuthError, 429: RateLimited}


class JobFailed(IrisvueError):
    """A job has ended without a picture; `code` is its error_code, and `job` has the rest."""

    def __init__(self, job: "Job") -> None:
        words = f"{(job.error_message or 'Cancelled').rstrip('.')}. {job.suggestion or ''}".strip()
        super().__init__(words, 200, job.error_code or job.error_type or job.status)
        self.job = job
