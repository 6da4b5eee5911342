"""What the API and the workers share: settings (BASELINE_*), where files and messages lie, and the queue."""

from functools import cache
from pathlib import Path
from uuid import UUID

from celery import Celery
from pydantic_settings import BaseSettings, SettingsConfigDict

TASK, ENDED = "process", ("completed", "failed")


class Settings(BaseSettings):
    """Where the servers are and files lie."""

    model_config = SettingsConfigDict(env_prefix="BASELINE_")
    database_url: str
    redis_url: str
    jwt_secret: str
    objects: Path

    def photo(self, user: UUID, photo: UUID) -> Path:
        """The file of a photo."""
        return self.objects / "photos" / str(user) / str(photo)

    def result(self, job: UUID) -> Path:
        """The folder of a job's pictures."""
        return self.objects / "results" / str(job)


@cache
def settings() -> Settings:
    """The settings of this process."""
    return Settings()  # type: ignore[call-arg]


def progress_key(job: UUID | str) -> str:
    """The key of a job's newest message, JSON."""
    return f"progress:{job}"


queue = Celery("baseline", broker=settings().redis_url, include=["benchmarks.baseline.worker"])
queue.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    task_time_limit=300,
    worker_prefetch_multiplier=1,
    worker_proc_alive_timeout=60,  # the networks are loaded in it
    broker_connection_retry_on_startup=True,
    broker_transport_options={"visibility_timeout": 600},
)
