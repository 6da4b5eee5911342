"""A Triton that reads its repository from S3 serves what is published there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from orchestrator.config import ROOT, Settings
from orchestrator.embedded import triton_server
from orchestrator.embedded.data_folder import secret
from orchestrator.embedded.ports import HOST
from orchestrator.embedded.ready import triton_ready
from orchestrator.embedded.supervisor import Process
from orchestrator.inference.protocol import SEGMENTER
from orchestrator.inference.triton import TritonInfer
from orchestrator.publishing.golden import load_golden
from orchestrator.publishing.publisher import Publisher
from orchestrator.publishing.repository import open_repository
from orchestrator.publishing.triton_control import open_control
from orchestrator.publishing.withdraw import withdraw
from tests import networks
from tests.integration.publishing.versions import published, unloaded
from tests.waiting import until

pytestmark = pytest.mark.timeout(300)
ACCESS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}


async def test_a_version_is_published_into_a_bucket_and_withdrawn(
    publisher: Publisher, bucket: tuple[Any, Settings], tmp_path: Path
) -> None:
    s3, settings = bucket
    _upload_repository(s3)
    async with _triton_on_bucket(tmp_path, settings) as url:
        key = SecretStr(secret(tmp_path, "triton"))
        async with open_control(url, key) as control:
            infer = await TritonInfer.connect(url, 30)
            repository = open_repository("s3://models/prod", settings)
            to_bucket = replace(publisher, repository=repository, control=control, infer=infer)
            version = await published(to_bucket, networks.other(0.99))
            assert version in await repository.versions(SEGMENTER)
            eye = next(p.image for p in load_golden(SEGMENTER, infer.segment_px) if p.mask is not None)
            assert await infer.pinned({SEGMENTER: str(version)}).preview(eye) is not None
            await withdraw(to_bucket, SEGMENTER, version)
            await until(partial(unloaded, to_bucket, version))
            await infer.aclose()


def _upload_repository(s3: Any) -> None:
    shipped = ROOT / "model_repository"
    for path in shipped.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            s3.put_object(Bucket="models", Key=f"prod/{path.relative_to(shipped)}", Body=path.read_bytes())


@asynccontextmanager
async def _triton_on_bucket(folder: Path, settings: Settings) -> AsyncIterator[str]:
    endpoint = str(settings.s3_endpoint).removeprefix("http://")
    spec = await asyncio.to_thread(triton_server.triton, folder, f"s3://{endpoint}/models/prod")
    process, url = Process(replace(spec, env=spec.env | ACCESS)), f"{HOST}:{spec.port}"
    await process.start()
    try:
        await process.until_ready(partial(triton_ready, url))
        yield url
    finally:
        await process.stop()
