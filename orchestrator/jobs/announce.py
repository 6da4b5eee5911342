"""Telling watchers where a job stands."""

import asyncio
from typing import Any

from orchestrator.db.tables import Job, JobStatus
from orchestrator.observability.logs import log
from orchestrator.progress import events
from orchestrator.progress.events import UNREACHABLE
from orchestrator.services import Services

PUBLISH_AGAIN_AFTER_S = (0.0, 0.2, 0.5, 1.0, 2.0, 4.0)


# Telling
async def current_message(services: Services, job: Job) -> dict[str, Any]:
    """The event that says where the job stands, read off its row."""
    more: dict[str, Any] = {}
    if job.status == JobStatus.COMPLETED and job.result_key:
        more = {
            "result_url": await services.storage.link(job.result_key),
            "processing_time_ms": job.processing_time_ms,
            "result_width": job.result_width,
            "result_height": job.result_height,
        }
    elif job.status == JobStatus.FAILED:
        more = {"error_type": job.error_type, "message": job.error_message, "suggestion": job.suggestion}
    elif job.preview_key:
        more = {"preview_url": await services.storage.link(job.preview_key)}
    return events.message(job.id, job.status, job.progress, job.current_step, **more)


async def publish(services: Services, job: Job, body: dict[str, Any], patient: bool = False) -> None:
    """Publish an event, with `patient` several times if need be; a job does not fail because nobody can be told."""
    for pause in PUBLISH_AGAIN_AFTER_S if patient else PUBLISH_AGAIN_AFTER_S[:1]:
        await asyncio.sleep(pause)
        try:
            await events.publish(services.redis, job.user_id, job.attempt, body, services.settings.events_kept_s)
            return
        except UNREACHABLE as error:
            log.warning("event not published", job_id=str(job.id), error=type(error).__name__)
