"""Prometheus itself scrapes the live stack: every metric that a panel or an alert names is there."""

import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from orchestrator.embedded.ports import free_port
from orchestrator.embedded.stack import Stack
from tests.monitoring import ALERTS, NOT_IN_A_GOOD_RUN, ONLY_ON_A_GPU, expressions, metrics_named, program
from tests.waiting import submitted, until


@pytest.fixture
def prometheus(stack: Stack, tmp_path: Path) -> Iterator[str]:
    """The address of a Prometheus that scrapes the stack every second with the shipped rules."""
    jobs: dict[str, list[str]] = {}
    for name, address in stack.metrics().items():
        job = "triton" if name == "triton" else f"irisvue-{name.partition('-')[0]}"
        jobs.setdefault(job, []).append(address)
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(ALERTS)],
        "scrape_configs": [{"job_name": job, "static_configs": [{"targets": t}]} for job, t in jobs.items()],
    }
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{free_port()}"
    argv = [program("prometheus"), f"--config.file={tmp_path / 'prometheus.yml'}", f"--web.listen-address={address}"]
    argv += [f"--storage.tsdb.path={tmp_path / 'data'}", "--log.level=warn"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(argv, stderr=log)
    try:
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
async def ask(prometheus: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"{prometheus}/api/v1", timeout=10, trust_env=False) as client:
        yield client


async def until_scraped(ask: httpx.AsyncClient, stack: Stack) -> None:
    """Wait until every process of the stack has been scraped."""

    async def look() -> bool:
        try:
            targets = (await ask.get("/query", params={"query": "up == 1"})).json()["data"]["result"]
        except httpx.TransportError:
            return False
        return len(targets) == len(stack.metrics()) == 3

    await until(look, 30)


async def names_of_metrics(ask: httpx.AsyncClient, wanted: set[str]) -> set[str]:
    """The metrics that Prometheus knows, once all wanted ones are among them."""
    names: set[str] = set()

    async def look() -> bool:
        names.update((await ask.get("/label/__name__/values")).json()["data"])
        return wanted <= names

    try:
        await until(look, 15)
    except AssertionError:
        raise AssertionError(f"missing: {wanted - names}") from None
    return names


async def value_of(ask: httpx.AsyncClient, query: str) -> float:
    rows: list[Any] = (await ask.get("/query", params={"query": query})).json()["data"]["result"]
    return float(rows[0]["value"][1]) if rows else 0.0


async def test_every_metric_that_a_panel_or_alert_names_is_there(
    api: httpx.AsyncClient, ask: httpx.AsyncClient, stack: Stack, eye_jpeg: bytes
) -> None:
    job_id = await submitted(api, eye_jpeg)
    stream = await api.get(f"/api/v1/processing/jobs/{job_id}/events")
    assert "event: completed" in stream.text
    await until_scraped(ask, stack)
    names = await names_of_metrics(ask, metrics_named() - NOT_IN_A_GOOD_RUN - ONLY_ON_A_GPU)
    assert {"irisvue_model_seconds_bucket", "nv_inference_count"} <= names
    for expression in expressions():
        query = expression.replace("$__rate_interval", "1m")
        response = await ask.get("/query", params={"query": query})
        assert response.status_code == 200, f"{query}: {response.text}"
    assert await value_of(ask, 'sum(irisvue_jobs_ended_total{status="completed"})') >= 1
    assert await value_of(ask, 'sum(irisvue_model_seconds_count{model="realesrgan",version="1"})') >= 1
    assert await value_of(ask, "sum(irisvue_quality_score_count)") >= 1
    assert await value_of(ask, "sum(irisvue_event_seconds_count)") >= 3
    alerts = (await ask.get("/alerts")).json()["data"]["alerts"]
    assert not [alert for alert in alerts if alert["state"] == "firing"], alerts
    rules = (await ask.get("/rules")).json()["data"]["groups"][0]["rules"]
    assert len(rules) >= 12 and all(rule["health"] == "ok" for rule in rules)
