"""Opens S3 buckets."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from orchestrator.config import Settings

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config

RIGHTS = {
    "put": "s3:PutObject",
    "get": "s3:GetObject",
    "delete": "s3:DeleteObject",
    "list": "s3:ListBucket",
}
"""What the key of the bucket must be allowed: the last on the bucket itself, the others on its objects."""


def is_denied(error: BaseException | None) -> bool:
    """Whether a bucket denies access. obstore says it of reading only; of writing and listing the message tells."""
    if isinstance(error, PermissionDeniedError | UnauthenticatedError):
        return True
    return isinstance(error, BaseError) and re.search(r"status code: 40[13]\b|AccessDenied", str(error)) is not None


@contextmanager
def without_variables(prefix: str) -> Iterator[None]:
    """Hide the environment variables that begin like this; obstore reads them whatever it is given."""
    hidden = {name: value for name, value in os.environ.items() if name.upper().startswith(prefix)}
    for name in hidden:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(hidden)


def s3_store(
    bucket: str, prefix: str | None, settings: Settings, endpoint: str | None = None, patient: bool = True
) -> S3Store:
    """A bucket at the settings' endpoint, or at another one; an impatient client fails at once instead of retrying.

    Keys come from the settings or, where they have none, from the environment variables of AWS's own tools. Own keys go
    alone: nothing of those variables goes with them, no session token and no endpoint of somebody else.
    """
    own_keys = settings.s3_access_key_id and settings.s3_secret_access_key
    config: S3Config = {"region": settings.s3_region}
    client: ClientConfig = {}
    if endpoint := endpoint or settings.s3_endpoint:
        config |= {"endpoint": endpoint, "virtual_hosted_style_request": False}
        client["allow_http"] = endpoint.startswith("http://")
    if settings.s3_access_key_id and settings.s3_secret_access_key:
        config["access_key_id"] = settings.s3_access_key_id.get_secret_value()
        config["secret_access_key"] = settings.s3_secret_access_key.get_secret_value()
    if settings.s3_encryption:
        config["server_side_encryption"] = settings.s3_encryption
        if settings.s3_encryption == "aws:kms":  # one call of the key service for many objects
            config["sse_bucket_key_enabled"] = True
    if settings.s3_kms_key_id:
        config["sse_kms_key_id"] = settings.s3_kms_key_id
    with without_variables("AWS_" if own_keys else "AWS_ENDPOINT" if endpoint else "-"):
        return S3Store(
            bucket,
            prefix=prefix,
            config=config,
            client_options=client,
            retry_config=None if patient else {"max_retries": 0},
        )
