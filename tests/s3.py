"""S3 on this machine."""

import socket
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from orchestrator.config import Settings


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    url = f"http://127.0.0.1:{port}"
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=url, **keys)
    for name in ("photos", "models"):
        client.create_bucket(Bucket=name)
    client.close()
    yield url
    server.stop()


@pytest.fixture
def bucket(s3: str) -> Iterator[tuple[Any, Settings]]:
    """An S3 client, and the settings that reach the same server; the bucket `models` is empty before and after."""
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=s3, **keys)
    yield (
        client,
        Settings.model_validate({"s3_endpoint": s3, "s3_access_key_id": "key", "s3_secret_access_key": "secret"}),
    )
    for row in client.list_objects_v2(Bucket="models").get("Contents", []):
        client.delete_object(Bucket="models", Key=row["Key"])
    client.close()
