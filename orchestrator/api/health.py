"""Health for the orchestrator of containers, metrics for Prometheus. No token needed."""

from typing import Any

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from orchestrator import db, health
from orchestrator.api.dependencies import Open
from orchestrator.observability.metrics import NOTIFICATIONS_DUE, QUEUE_JOBS, QUEUE_OLDEST

router = APIRouter(tags=["health"])


@router.get("/health/live")
async def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/health/ready", responses={503: {"description": "Not ready."}})
async def ready(services: Open, response: Response) -> dict[str, Any]:
    """Whether work can be accepted; names what is not ready.

    Workers, the store and the clock are reported, but accepting does not need them.
    """
    checks = await health.database(services) | await health.redis(services)
    checks["store"] = await health.store(services.storage)  # reported; watching goes on without it
    checks["streams"] = "draining" if services.hub.draining else "ok"
    good = all(checks.get(name) == "ok" for name in ("database", "migrations", "queue", "streams"))
    response.status_code = 200 if good else 503
    return {"status": "ready" if good else "not ready", "checks": checks}


@router.get("/metrics", response_class=Response)
async def metrics(services: Open) -> Response:
    """Prometheus metrics of this process, and how long the line is."""
    try:
        async with services.db() as session:
            line = await db.backlog.backlog(session)
    except db.UNAVAILABLE:
        line = None  # what it was when it was last seen; the database's own absence shows elsewhere
    if line is not None:
        QUEUE_JOBS.labels("pending").set(line.pending)
        QUEUE_JOBS.labels("processing").set(line.processing)
        QUEUE_OLDEST.set(line.oldest_s)
        NOTIFICATIONS_DUE.set(line.notices_due)
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
