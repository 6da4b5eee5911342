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
        code: the API's word for it, such as too_large; network where no answer came, or certificate or proxy where that
            is why.
        retry_after_s: how long the server asks to wait.
    """

    def __init__(self, detail: str, status: int = 0, code: str = "network", retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        self.detail, self.status, self.code, self.retry_after_s = detail, status, code, retry_after_s

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
        return cls(detail, answer.status_code, code, float(after) if after.isdigit() else None)


class JobFailed(IrisvueError):
    """A job has ended without a picture; `job` has its error_type, error_message and suggestion."""

    def __init__(self, job: "Job") -> None:
        words = f"{(job.error_message or 'Cancelled').rstrip('.')}. {job.suggestion or ''}".strip()
        super().__init__(words, 200, job.error_type or job.status)
        self.job = job
