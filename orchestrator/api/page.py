"""The web page: plain files, with headers that let it load nothing from elsewhere but the object store's pictures."""

import json
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from orchestrator.config import Settings

# The page knows the limit, so that it sends no file that would be refused.
LIMIT = 'name="irisvue-max-upload-bytes" content="%d"'
FOLDER = Path(__file__).parent.parent / "web"
NO_FILES = "const FILES = [];"
NOT_KEPT = ("web/sw.js", "web/index.html", "web/icon-512.png")  # the page itself is kept under its own address
router = APIRouter(include_in_schema=False)


def headers(settings: Settings) -> dict[str, str]:
    """Security headers of the page. The only other origin it may use is an object store that signs its own links."""
    origins = " ".join(link_origins(settings))
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": f"'self' blob: data: {origins}",
        "connect-src": f"'self' {origins}",
        "manifest-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value.strip()}" for name, value in policy.items()),
        "Cache-Control": "no-cache",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Permissions-Policy": "camera=(self), geolocation=(), microphone=()",
    }


def link_origins(settings: Settings) -> list[str]:
    """The origins that signed links point to."""
    links = urlsplit(settings.public_url)
    origins = [f"{links.scheme}://{links.netloc}"]
    if settings.storage_url.startswith("s3://"):
        bucket = urlsplit(settings.storage_url).netloc
        if endpoint := settings.s3_public_endpoint or settings.s3_endpoint:
            address = urlsplit(endpoint)
            origins.append(f"{address.scheme}://{address.netloc}")
        else:
            origins += [f"https://s3.{settings.s3_region}.amazonaws.com", f"https://{bucket}.s3.amazonaws.com"]
            origins.append(f"https://{bucket}.s3.{settings.s3_region}.amazonaws.com")
    return origins


class PageFiles(StaticFiles):
    """The page's files, under the page's own headers."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(directory=FOLDER)
        self._headers = headers(settings)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """One file."""
        response = _service_worker() if path == "sw.js" else await super().get_response(path, scope)
        response.headers.update(self._headers)
        return response


def _service_worker() -> Response:
    """It keeps the page, which is not under /web as it is itself, and knows the names of the page's files."""
    files = [f"web/{path.relative_to(FOLDER).as_posix()}" for path in sorted(FOLDER.rglob("*.*")) if path.is_file()]
    kept = [name for name in files if name not in NOT_KEPT]
    text = (FOLDER / "sw.js").read_text().replace(NO_FILES, f"const FILES = {json.dumps(kept)};")
    return Response(text, media_type="text/javascript", headers={"Service-Worker-Allowed": "../"})


@router.get("/")
async def page(request: Request) -> HTMLResponse:
    """The page."""
    settings = request.app.state.settings
    text = (FOLDER / "index.html").read_text()
    limit = LIMIT % Settings.model_fields["max_upload_bytes"].default, LIMIT % settings.max_upload_bytes
    return HTMLResponse(text.replace(*limit), headers=headers(settings))
