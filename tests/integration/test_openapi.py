"""The live API agrees with its OpenAPI document, whatever the request (Schemathesis)."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from orchestrator.embedded.stack import Stack
from tests.api_process import api_process

CHECKS = [
    "not_a_server_error",
    "content_type_conformance",
    "status_code_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "ignored_auth",
]


@pytest.fixture
def brief_api(stack: Stack) -> Iterator[str]:
    """An API process whose streams end soon, because the fuzzer reads them to their end."""
    with api_process(stack, STREAM_SECONDS="0.1") as url:
        yield url


def real_ids(api: str, token: str, picture: bytes) -> str:
    """Settings that give the fuzzer ids that exist."""
    with httpx.Client(base_url=api, headers={"Authorization": f"Bearer {token}"}, trust_env=False) as client:
        photo, other = [client.post("/api/v1/photos", files={"file": picture}).json()["id"] for _ in range(2)]
        job = client.post("/api/v1/processing/submit", json={"photo_id": photo}).json()["job_id"]
    return f"""
[parameters]
photo_id = "{photo}"
job_id = "{job}"

[[operations]]
include-name = "DELETE /api/v1/photos/{{photo_id}}"
parameters = {{ photo_id = "{other}" }}
"""


def test_schemathesis_finds_nothing(stack: Stack, brief_api: str, tmp_path: Path, eye_jpeg: bytes) -> None:
    (tmp_path / "schemathesis.toml").write_text(real_ids(brief_api, stack.token, eye_jpeg))
    program = Path(sys.executable).with_name("schemathesis")
    argv = [str(program), "run", f"{brief_api}/openapi.json", "--header", f"Authorization: Bearer {stack.token}"]
    argv += ["--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing", "--max-examples", "15"]
    argv += ["--exclude-name", "DELETE /api/v1/me"]  # whoever is fuzzed would be gone
    argv += ["--seed", "1", "--request-timeout", "20", "--no-color", "--suppress-health-check", "all"]
    env = os.environ | {"NO_PROXY": "*", "COLUMNS": "200"}
    done = subprocess.run(argv, capture_output=True, text=True, env=env, cwd=tmp_path, timeout=140, check=False)
    assert done.returncode == 0, done.stdout[:9000] + done.stderr[-2000:]
    tried = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert tried and int(tried[1]) == int(tried[2]) > 500, done.stdout[-2000:]
