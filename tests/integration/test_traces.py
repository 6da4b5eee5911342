"""One trace from the caller's request through the queue to each call of Triton, as a collector sees it."""

import json
import secrets
from collections.abc import Callable

import httpx

from orchestrator.embedded.stack import Stack
from tests.conftest import PHOTOS
from tests.receivers import Collector, Span
from tests.waiting import submitted, until

STEPS = ["loading", "segmenting", "removing_reflections", "enhancing", "saving"]


async def test_a_job_is_one_trace(api: httpx.AsyncClient, stack: Stack, collector: Collector, eye_jpeg: bytes) -> None:
    trace, caller = secrets.token_hex(16), secrets.token_hex(8)
    api.headers["traceparent"] = f"00-{trace}-{caller}-01"
    job_id = await submitted(api, eye_jpeg)

    def received() -> list[Span]:
        return [span for span in collector.spans if span.trace_id == trace]

    async def complete() -> bool:
        names = {(span.service, span.name) for span in received()}
        return ("irisvue-worker", "job") in names and {("triton", "iris_unet"), ("triton", "realesrgan")} <= names

    await until(complete, 60)
    spans = {span.span_id: span for span in received()}

    def named(wanted: Callable[[Span], bool]) -> list[Span]:
        return [span for span in spans.values() if wanted(span)]

    [submit] = named(lambda s: s.service == "irisvue-api" and s.name.endswith("/processing/submit"))
    assert submit.parent_id == caller, "the caller's own trace continues"
    [job] = named(lambda s: s.name == "job")
    assert job.parent_id == submit.span_id and job.service == "irisvue-worker"
    assert job_id in job.attributes["irisvue.job_id"]
    steps = named(lambda s: s.name.startswith("step "))
    assert [s.name.removeprefix("step ") for s in steps] == STEPS
    assert {s.parent_id for s in steps} == {job.span_id}
    calls = named(lambda s: s.service == "irisvue-worker" and s.name.startswith("triton "))
    by_step = {(spans[c.parent_id].name, c.name) for c in calls}
    assert by_step == {("step segmenting", "triton iris_unet"), ("step enhancing", "triton realesrgan")}
    inside_triton = named(lambda s: s.service == "triton")
    assert {spans[s.parent_id].name for s in inside_triton if s.parent_id in spans} >= {
        "triton iris_unet",
        "triton realesrgan",
    }, "Triton takes the W3C header: its own spans are children of the worker's"


async def test_log_lines_of_a_traced_job_have_its_ids(
    api: httpx.AsyncClient, stack: Stack, collector: Collector
) -> None:
    trace = secrets.token_hex(16)
    api.headers["traceparent"] = f"00-{trace}-{secrets.token_hex(8)}-01"
    refused = (await api.post("/api/v1/photos", files={"file": ("a.jpg", b"not a photo")})).status_code
    assert refused == 415
    job_id = await submitted(api, (PHOTOS / "neg_moon.png").read_bytes())

    async def logged() -> list[dict[str, str]]:
        lines = (stack.folder / "logs" / "worker-1.log").read_text().splitlines()
        rows = [json.loads(line) for line in lines if line.startswith("{")]
        return [row for row in rows if row.get("job_id") == job_id]

    rows = await until(logged, 60)
    assert {row["trace_id"] for row in rows} == {trace} and all(row["span_id"] for row in rows)


async def test_no_secret_of_a_query_reaches_a_span(api: httpx.AsyncClient, stack: Stack, collector: Collector) -> None:
    trace = secrets.token_hex(16)
    api.headers["traceparent"] = f"00-{trace}-{secrets.token_hex(8)}-01"
    await api.get("/api/v1/processing/jobs", params={"token": "very-secret", "page": 1})

    async def spans() -> list[Span]:
        return [span for span in collector.spans if span.trace_id == trace]

    [span] = await until(spans, 30)
    assert "very-secret" not in str(span)
