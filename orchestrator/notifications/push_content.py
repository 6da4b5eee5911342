"""What a push says, in the device's language, and what it carries for the app or page."""

from typing import Any

from orchestrator.words.catalogue import ENGLISH, translated

TITLE = "Irisvue"
COMPLETED = "Your iris art is ready to view!"


def text_of(body: dict[str, Any], language: str = ENGLISH) -> str:
    """The sentence for a notification: that the picture is ready, or why there is none."""
    return translated(COMPLETED if body["type"] == "job.completed" else body["data"].get("message", ""), language)


def data_of(body: dict[str, Any]) -> dict[str, str]:
    """The notification for a program. All values are strings, as Firebase wants them."""
    job = body["data"]
    data = {"type": body["type"], "job_id": job["job_id"], "photo_id": job["photo_id"], "status": job["status"]}
    data |= {name: job[name] for name in ("step_key", "error_code", "url", "deep_link") if job.get(name)}
    if codes := job.get("warning_codes"):
        data["warning_codes"] = ",".join(codes)
    return data
