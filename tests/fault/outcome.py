"""What becomes of a job while parts of the service are killed."""

from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from irisvue import AsyncClient
from orchestrator.db.job_states import JobStatus
from orchestrator.embedded.stack import Stack
from orchestrator.services import Services
from tests.fault.conftest import row
from tests.waiting import until

# A lease and rounds so short that a lost job comes back while a test waits.
FAST = {
    "IRISVUE_LEASE_S": "2",
    "IRISVUE_SWEEP_EVERY_S": "0.3",
    "IRISVUE_WAITING_S": "1",
    "IRISVUE_RETRY_DELAY_S": "0.5",
}
RESULT = {"jpg", "mask.png", "before.jpg", "320.jpg", "960.jpg"}
Message = dict[str, Any]


async def job_of(api: httpx.AsyncClient, job_id: str) -> dict[str, Any]:
    """The job as the API answers it."""
    job: dict[str, Any] = (await api.get(f"/api/v1/processing/jobs/{job_id}")).json()
    return job


async def until_status(api: httpx.AsyncClient, job_id: str, status: str, progress: int = 0) -> None:
    """Wait until the job has this status and at least this progress."""

    async def look() -> bool:
        job = await job_of(api, job_id)
        return bool(job["status"] == status and job["progress"] >= progress)

    await until(look)


async def until_completed(services: Services, job_id: UUID) -> None:
    """Wait until the job's row says that it has completed."""

    async def look() -> bool:
        return (await row(services, job_id)).status == JobStatus.COMPLETED

    await until(look)


async def messages_of(client: AsyncClient, job_id: str) -> list[Message]:
    """Everything that a client which reconnects is sent about the job."""
    return [dict(event.raw) async for event in client.watch(job_id)]


def ends_once(messages: list[Message]) -> bool:
    """Whether exactly one message says that the job has ended, and it is the last."""
    ends = [message for message in messages if message["status"] in ("completed", "failed", "cancelled")]
    return len(ends) == 1 and ends[0] is messages[-1]


def objects_of(stack: Stack, job_id: str) -> set[str]:
    """The kinds of objects that are stored for the job, without those that a kill left half-written."""
    paths: list[Path] = list((stack.folder / "objects" / "processed").rglob(f"{job_id}*[a-z]"))
    return {path.name.partition(".")[2] for path in paths}
