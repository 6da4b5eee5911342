"""Health for whatever runs the containers, metrics for Prometheus. No token needed."""

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

    Workers, the object store and the clock are reported, but work is accepted without them.
    """
    checks = await health.database(services) | await health.redis(services.redis)
    checks["store"] = await health.store(services.storage)
    checks["streams"] = "draining" if services.hub.draining else "ok"
    is_ready = all(checks.get(name) == "ok" for name in ("database", "migrations", "queue", "streams"))
    response.status_code = 200 if is_ready else 503
    return {"status": "ready" if is_ready else "not ready", "checks": checks}


@router.get("/metrics", response_class=Response)
async def metrics(services: Open) -> Response:
    """Prometheus metrics of this process, and how much work waits in the database."""
    try:
        async with services.db() as session:
            backlog = await db.backlog.backlog(session)
    except db.UNAVAILABLE:
        backlog = None  # the gauges keep their last values; other metrics show that the database is unavailable
    if backlog is not None:
        QUEUE_JOBS.labels("pending").set(backlog.pending)
        QUEUE_JOBS.labels("processing").set(backlog.processing)
        QUEUE_OLDEST.set(backlog.oldest_s)
        NOTIFICATIONS_DUE.set(backlog.deliveries_due)
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
