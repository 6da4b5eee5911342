"""Pages, and errors as RFC 9457 describes them."""

from http import HTTPStatus
from typing import Annotated, Any, get_args

from fastapi import Query
from pydantic import BaseModel, ConfigDict, WithJsonSchema

from orchestrator.words.codes import ErrorCode

Page = Annotated[int, Query(ge=1, le=1_000_000)]
PageSize = Annotated[int, Query(ge=1, le=100)]
# Rows may hold a code that only an older or a newer version knows, so that it is documented, but not checked.
AnErrorCode = Annotated[str, WithJsonSchema({"type": "string", "enum": list(get_args(ErrorCode))})]


class Problem(BaseModel):
    """RFC 9457 application/problem+json."""

    model_config = ConfigDict(extra="allow")

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI description of error answers."""
    body = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": body} for status in statuses}
