"""The message about a job that has ended."""

import json
from uuid import uuid4

from orchestrator.db.tables import Job
from orchestrator.notifications import outbox


def test_a_message_is_json() -> None:
    job = Job(id=uuid4(), photo_id=uuid4(), user_id=uuid4(), status="cancelled")
    assert (
        json.loads(json.dumps(outbox.message_about(job, {"url": "https://iris.example.com/?job=1"})))["type"]
        == "job.cancelled"
    )
