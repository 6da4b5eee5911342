"""Opens connections: proxies and certificate authorities are those of the environment, or given."""

import ipaddress
import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from irisvue._errors import IrisvueError

Verify = bool | str | Path | ssl.SSLContext
HINT = "Name the authority that signed it: verify=FILE, or SSL_CERT_FILE in the environment."


def open_http(url: str, verify: Verify, proxy: str | None = None, **options: Any) -> httpx.AsyncClient:
    """A client for one server. HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY hold, except for this machine itself.

    Args:
        url: an address of the server.
        verify: True trusts the machine's own authorities and certifi's or, where they are set, only those of
            SSL_CERT_FILE and SSL_CERT_DIR; a path names a file or folder of authorities; False trusts anybody.
        proxy: address of a proxy to use instead of the environment's.
        options: those of httpx.AsyncClient.

    Raises:
        IrisvueError: the authorities can't be read, or the proxy can't be used.
    """
    parts = urlsplit(url)
    context = _context(verify) if parts.scheme == "https" else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        trust = not _is_loopback(parts.hostname or "")
        return httpx.AsyncClient(verify=context, trust_env=trust, proxy=proxy, **options)
    except (ImportError, ValueError):  # their words may repeat the proxy's password
        named = "in proxy=" if proxy else "that the environment names"
        words = f"The proxy {named} can't be used; a SOCKS proxy needs: pip install httpx[socks]"
        raise IrisvueError(words, code="proxy") from None


def _context(verify: Verify) -> ssl.SSLContext:
    if isinstance(verify, ssl.SSLContext):
        return verify
    if verify is False:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context
    named = {name: os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")}
    paths = {"verify": str(verify)} if verify is not True else {name: path for name, path in named.items() if path}
    if not paths:
        context = httpx.create_ssl_context(trust_env=False)  # trusts certifi's authorities
        context.load_default_certs()
        return context
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for name, path in paths.items():
        try:
            folder = Path(path).is_dir()
            context.load_verify_locations(None if folder else path, path if folder else None)
        except (OSError, ValueError):
            raise IrisvueError(f"{name} names {path}, which holds no certificates.", code="certificate") from None
    return context


def no_answer(url: str, error: BaseException, whence: str = "") -> IrisvueError:
    """The error for a request that got no answer; `whence` says where the address comes from."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            words = f"The certificate of {url} is not trusted: {cause.verify_message}."
            return IrisvueError(
                f"{words} {HINT}" if "issuer" in words or "self" in words else words, code="certificate"
            )
    if isinstance(error, httpx.ProxyError):
        return IrisvueError(f"The proxy in front of {url} refuses: {error}")
    return IrisvueError(f"{url} does not answer ({type(error).__name__}). Is it running? {whence}".rstrip())


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
