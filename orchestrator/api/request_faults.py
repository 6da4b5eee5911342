"""What is wrong with a request, in words for the person who writes the app; the libraries' own are for Python's."""

from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import FormData

from orchestrator.errors import Invalid

FORM = "multipart/form-data"
LET_IT = "Let your HTTP library set Content-Type and write the parts; do not set the header yourself."
AS_A_FILE = (
    "Send the photo itself, as a file: a part with filename=, and not with filename*= alone; "
    "not base64, a path or an object turned into text."
)
PACKED = "A body in the Content-Encoding {} is not read here. Send it as it is."

# Pydantic's kinds of errors whose words are Python's.
_VALUES = {
    "model_attributes_type": "must be a JSON object",
    "dict_type": "must be a JSON object",
    "list_type": "must be a JSON array",
    "uuid_type": "must be a UUID, as a string",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
}
# What the parsers of bodies say, by its beginning.
_BODIES = {
    "Missing boundary": f"Content-Type names no boundary. {LET_IT}",
    "Invalid multipart data": f"The body is not divided by the boundary that Content-Type names. {LET_IT}",
    "The Content-Disposition": 'A part has no name. Each begins with: Content-Disposition: form-data; name="file"; '
    f'filename="eye.jpg". {LET_IT}',
    "Part exceeded": f"A field of text is longer than 1 MB. {AS_A_FILE}",
    "Field exceeded": f"A field of text is longer than 1 MB. {AS_A_FILE}",
    "Too many f": "There are too many fields. Send one photo, in a field named file.",
    "There was an error parsing": "The body can't be read. Is it what Content-Type says, in UTF-8?",
}


def words_for_body(request: Request, detail: str) -> str:
    """What a parser of bodies says, in words; other details stay as they are."""
    packed = request.headers.get("content-encoding", "identity")
    if packed != "identity" and detail.startswith(tuple(_BODIES)):
        return PACKED.format(packed[:20])
    return next((words for beginning, words in _BODIES.items() if detail.startswith(beginning)), detail)


def check_one_photo(form: FormData) -> None:
    """Raises Invalid for several fields named file, of which only one could be taken."""
    sent = len(form.getlist("file"))
    if sent > 1:
        raise Invalid(f"body.file: is there {sent} times. Send one photo a request, in one field named file.")


def words_for(request: Request, error: RequestValidationError) -> str:
    """Every fault of a request, each with the place of the value."""
    return "; ".join(_fault(request, error.body, fault) for fault in error.errors())


def _fault(request: Request, body: Any, fault: dict[str, Any]) -> str:
    location, kind = tuple(fault["loc"]), str(fault["type"])
    if location == ("body", "file"):
        return _photo_fault(request, body)
    if kind == "json_invalid":
        return f"body: is not JSON: {fault['ctx']['error']}, at character {location[-1]}"
    words = _VALUES.get(kind, str(fault["msg"]).removeprefix("Value error, "))
    if location == ("body",) and (sent := _content_type(request)) != "application/json":
        words += f". Send JSON, with Content-Type: application/json; this request is {sent or 'without one'}"
    return f"{'.'.join(map(str, location))}: {words}"


def _photo_fault(request: Request, body: Any) -> str:
    """Why there is no photo in an upload."""
    sent = _content_type(request)
    if sent != FORM or not isinstance(body, FormData):
        kind = sent or "without a Content-Type"
        return f"body: send the photo as {FORM}, in a field named file. This request is {kind}."
    if isinstance(body.get("file"), str):
        return f"body.file: is text. {AS_A_FILE}"
    names = ", ".join(dict.fromkeys(body))[:200]
    if names:
        return f"body.file: is missing. Send the photo in a field named file; this request has {names}."
    return f"body.file: is missing. This request has no field that is complete. {LET_IT}"


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
