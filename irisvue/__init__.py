"""Client of Irisvue: a photo of an eye goes in, a finished iris picture comes out, with live progress.

    with irisvue.Client("https://iris.example.com", token) as client:
        job = client.process("eye.jpg", show=True)
        client.save(job, "iris.jpg")

`AsyncClient` has the same methods for asyncio. Both take IRISVUE_URL and IRISVUE_TOKEN where nothing is given.
"""

from irisvue._async import AsyncClient
from irisvue._codes import ErrorCode, StepKey, WarningCode
from irisvue._errors import AuthError, IrisvueError, JobFailed, RateLimited
from irisvue._sync import Client
from irisvue._values import ENDED, Event, Job, Photo, Share

__all__ = [
    "ENDED",
    "AsyncClient",
    "AuthError",
    "Client",
    "ErrorCode",
    "Event",
    "IrisvueError",
    "Job",
    "JobFailed",
    "Photo",
    "RateLimited",
    "Share",
    "StepKey",
    "WarningCode",
]
