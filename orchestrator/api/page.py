"""The web page: plain files, served with headers that let it load nothing from anywhere else but the photos' store."""

from pathlib import Path
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from orchestrator.config import Settings

# What the page is told: files that are too large need not be sent to learn that.
LIMIT = 'name="irisvue-max-upload-bytes" content="%d"'
FOLDER = Path(__file__).parent.parent / "web"
router = APIRouter(include_in_schema=False)


def headers(settings: Settings) -> dict[str, str]:
    """Security headers of the page. A store that signs its own links is the one other place that it may ask."""
    stores = " ".join(stores_of(settings))
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": f"'self' blob: data: {stores}",
        "connect-src": f"'self' {stores}",
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


def stores_of(settings: Settings) -> list[str]:
    """The origins that signed links point to, other than the page's own."""
    links = urlsplit(settings.public_url)
    found = [f"{links.scheme}://{links.netloc}"]
    if settings.storage_url.startswith("s3://"):
        bucket = urlsplit(settings.storage_url).netloc
        if endpoint := settings.s3_public_endpoint or settings.s3_endpoint:
            store = urlsplit(endpoint)
            found.append(f"{store.scheme}://{store.netloc}")
        else:
            found += [f"https://s3.{settings.s3_region}.amazonaws.com", f"https://{bucket}.s3.amazonaws.com"]
            found.append(f"https://{bucket}.s3.{settings.s3_region}.amazonaws.com")
    return found


class PageFiles(StaticFiles):
    """The page's files, under the page's own headers."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(directory=FOLDER)
        self._headers = headers(settings)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """One file."""
        response = await super().get_response(path, scope)
        response.headers.update(self._headers)
        return response


@router.get("/")
async def page(request: Request) -> HTMLResponse:
    """The page."""
    settings = request.app.state.settings
    text = (FOLDER / "index.html").read_text()
    limit = LIMIT % Settings.model_fields["max_upload_bytes"].default, LIMIT % settings.max_upload_bytes
    return HTMLResponse(text.replace(*limit), headers=headers(settings))
