"""Push notices through Firebase Cloud Messaging, HTTP v1."""

import asyncio
from typing import Any

import httpx
from google.auth.exceptions import GoogleAuthError, TransportError
from google.auth.transport.requests import Request
from google.oauth2.service_account import Credentials

from orchestrator.config import Settings
from orchestrator.errors import SetupError
from orchestrator.notifications.result import SendResult, retry_after_s

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
READY = "Your iris art is ready to view!"
GONE = ("UNREGISTERED", "SENDER_ID_MISMATCH")  # Firebase: "How to send FCM messages", error codes
PASSING = (401, 408, 429)


def message(token: str, body: dict[str, Any]) -> dict[str, Any]:
    """What FCM is sent for a notice; `data` is what the app opens the job with."""
    facts = body["data"]
    words = READY if body["type"] == "job.completed" else facts.get("message", "")
    data = {"type": body["type"], "job_id": facts["job_id"], "photo_id": facts["photo_id"], "status": facts["status"]}
    return {
        "message": {
            "token": token,
            "notification": {"title": "Irisvue", "body": words},
            "data": data,
            "android": {"collapse_key": facts["job_id"], "priority": "high"},
            "apns": {"headers": {"apns-collapse-id": facts["job_id"]}, "payload": {"aps": {"sound": "default"}}},
        }
    }


class Fcm:
    """Sends in the name of a Google service account."""

    def __init__(self, credentials: Credentials, url: str) -> None:
        self._credentials = credentials
        self._url = f"{url.rstrip('/')}/v1/projects/{credentials.project_id}/messages:send"
        self._http = httpx.AsyncClient(timeout=15)
        self._one_at_a_time = asyncio.Lock()

    @classmethod
    def open(cls, settings: Settings) -> "Fcm | None":
        """None where push is not set up. Raises SetupError for a file that is none of a service account."""
        if settings.fcm_credentials is None:
            return None
        try:
            found = Credentials.from_service_account_file(settings.fcm_credentials, scopes=[SCOPE])  # type: ignore[no-untyped-call]
        except (OSError, ValueError) as error:
            raise SetupError(
                f"IRISVUE_FCM_CREDENTIALS: {settings.fcm_credentials} is no service account's JSON file ({error})."
            ) from error
        return cls(found, settings.fcm_url)

    async def aclose(self) -> None:
        """Close."""
        await self._http.aclose()

    async def send(self, token: str, body: dict[str, Any]) -> SendResult:
        """One try. `gone`: the app is not on that device any more, or the token is another project's."""
        try:
            headers = {"Authorization": f"Bearer {await self._bearer()}"}
            answer = await self._http.post(self._url, json=message(token, body), headers=headers)
        except (httpx.HTTPError, TransportError) as error:
            return SendResult(None, f"{type(error).__name__}: {error}"[:200])
        except GoogleAuthError as error:
            return SendResult(None, f"Google refuses the service account: {type(error).__name__}")
        if answer.is_success:
            return SendResult(answer.status_code)
        if answer.status_code == 401:
            self._credentials.token = None
        return _refused(answer)

    async def _bearer(self) -> str:
        async with self._one_at_a_time:
            if not self._credentials.valid:
                await asyncio.to_thread(self._credentials.refresh, Request())
        return str(self._credentials.token)


def _refused(answer: httpx.Response) -> SendResult:
    try:
        details = answer.json()["error"].get("details", [])
        code = next((d["errorCode"] for d in details if "errorCode" in d), answer.json()["error"]["status"])
    except (ValueError, KeyError, TypeError, AttributeError):
        code = ""
    gone = code in GONE or answer.status_code == 404
    passing = answer.status_code in PASSING or answer.status_code >= 500
    return SendResult(
        answer.status_code,
        f"{answer.status_code} {code}".strip(),
        gone=gone,
        final=gone or not passing,
        retry_after_s=retry_after_s(answer.headers.get("Retry-After", "")),
    )
