"""What can go wrong, in sentences for people."""

from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from irisvue._values import Job

PASSING = (408, 429)


class IrisvueError(Exception):
    """The server, or the way to it, said no.

    Attributes:
        detail: a sentence for people, the same as str().
        status: the HTTP status; 0 when no answer came.
        code: the contract's word, such as too_large; network when no answer came.
        retry_after_s: how long the server asks to wait.
    """

    def __init__(self, detail: str, status: int = 0, code: str = "network", retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        self.detail, self.status, self.code, self.retry_after_s = detail, status, code, retry_after_s

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed a little later."""
        return self.status in (0, *PASSING) or self.status >= 500

    @classmethod
    def of(cls, answer: httpx.Response) -> "IrisvueError":
        """The error in an answer that is none of 2xx, whose body has been read."""
        detail, code = f"The server answered {answer.status_code}.", "unexpected"
        try:
            problem = answer.json()
            detail, code = str(problem["detail"]), str(problem["code"])
        except (ValueError, KeyError, TypeError):
            pass  # not of ours: a proxy's page, say
        after = answer.headers.get("Retry-After", "")
        return cls(detail, answer.status_code, code, float(after) if after.isdigit() else None)


class JobFailed(IrisvueError):
    """A job has ended without a picture; `job` has its error_type, error_message and suggestion."""

    def __init__(self, job: "Job") -> None:
        words = f"{(job.error_message or 'Cancelled').rstrip('.')}. {job.suggestion or ''}".strip()
        super().__init__(words, 200, job.error_type or job.status)
        self.job = job
