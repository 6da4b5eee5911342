"""Push notifications through Firebase Cloud Messaging (FCM), HTTP v1."""

import asyncio
import re
from typing import Any

import httpx
from google.auth.exceptions import GoogleAuthError, TransportError
from google.auth.transport.requests import Request
from google.oauth2.service_account import Credentials

from orchestrator.config import Settings
from orchestrator.errors import SetupError
from orchestrator.notifications.push_content import TITLE, data_of, text_of
from orchestrator.notifications.result import SendResult, retry_after_s
from orchestrator.words.catalogue import ENGLISH

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
# Errors of which Firebase names no field, and which are not about the device's token.
NOT_THE_TOKEN = re.compile(r"too (big|large|long)|exceed|payload|topic|condition|collapse|ttl|\bdata\b", re.IGNORECASE)
TRANSIENT = (401, 408, 429)  # worth another try, like every 5xx


def message(token: str, body: dict[str, Any], language: str = ENGLISH) -> dict[str, Any]:
    """The message to FCM for a notification; from `data` the app knows which job to open."""
    job_id = body["data"]["job_id"]
    return {
        "message": {
            "token": token,
            "notification": {"title": TITLE, "body": text_of(body, language)},
            "data": data_of(body),
            "android": {"collapse_key": job_id, "priority": "high"},
            "apns": {"headers": {"apns-collapse-id": job_id}, "payload": {"aps": {"sound": "default"}}},
        }
    }


class Fcm:
    """Sends push notifications as a Google service account."""

    def __init__(self, credentials: Credentials, url: str) -> None:
        self._credentials = credentials
        self._url = f"{url.rstrip('/')}/v1/projects/{credentials.project_id}/messages:send"
        try:
            self._http = httpx.AsyncClient(timeout=15)
        except (ImportError, ValueError) as error:  # its words may repeat the proxy's password
            raise SetupError("httpx can't use the proxy that HTTPS_PROXY or ALL_PROXY names.") from error
        self._refreshing = asyncio.Lock()

    @classmethod
    def open(cls, settings: Settings) -> "Fcm | None":
        """The sender of these settings; None where push is not set up. Raises SetupError for a file of another kind."""
        if settings.fcm_credentials is None:
            return None
        try:
            credentials = Credentials.from_service_account_file(settings.fcm_credentials, scopes=[SCOPE])  # type: ignore[no-untyped-call]
        except (OSError, ValueError) as error:
            raise SetupError(
                f"IRISVUE_FCM_CREDENTIALS: {settings.fcm_credentials} is not a service account's JSON file ({error})."
            ) from error
        return cls(credentials, settings.fcm_url)

    async def aclose(self) -> None:
        """Close."""
        await self._http.aclose()

    async def send(self, token: str, body: dict[str, Any], language: str = ENGLISH) -> SendResult:
        """Try once. `unwanted`: the app is no longer on that device, or this was never the token of one.

        Whatever else Firebase refuses (the project, the account, the message) says nothing about the device.
        """
        try:
            headers = {"Authorization": f"Bearer {await self._bearer()}"}
            response = await self._http.post(self._url, json=message(token, body, language), headers=headers)
        except (httpx.HTTPError, TransportError) as error:
            return SendResult(None, f"{type(error).__name__}: {error}"[:200])
        except GoogleAuthError as error:
            return SendResult(None, f"Google refuses the service account: {type(error).__name__}")
        if response.is_success:
            return SendResult(response.status_code)
        if response.status_code == 401:
            self._credentials.token = None
        return _refusal(response)

    async def _bearer(self) -> str:
        async with self._refreshing:
            if not self._credentials.valid:
                await asyncio.to_thread(self._credentials.refresh, Request())
        return str(self._credentials.token)


def _refusal(response: httpx.Response) -> SendResult:
    try:
        error = response.json()["error"]
        code = next((d["errorCode"] for d in error.get("details", []) if "errorCode" in d), "")
        reason = f"{code or error['status']}: {error.get('message', '')}"
        unwanted = code == "UNREGISTERED" or (code == "INVALID_ARGUMENT" and _about_token(error))
    except (ValueError, KeyError, TypeError, AttributeError):  # not from Firebase: a proxy's page, for example
        reason, unwanted = "", False
    transient = response.status_code in TRANSIENT or response.status_code >= 500
    return SendResult(
        response.status_code,
        f"{response.status_code} {reason}".strip()[:200],
        unwanted=unwanted,
        final=unwanted or not transient,
        retry_after_s=retry_after_s(response.headers.get("Retry-After", "")),
    )


def _about_token(error: dict[str, Any]) -> bool:
    """Whether an invalid argument is the device's token. Source: Firebase, "Best practices for token management"."""
    fields = [v.get("field", "") for d in error.get("details", []) for v in d.get("fieldViolations", [])]
    if fields:
        return "message.token" in fields
    return not NOT_THE_TOKEN.search(error.get("message", ""))
