"""An https server on this machine, whose certificate is valid for as long as a test wants."""

import datetime as dt
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.serving import in_a_thread

TODAY = dt.datetime.now(dt.UTC)
Signed = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def signed(name: str, days: int, authority: Signed | None = None) -> Signed:
    """A certificate that expires in `days` days, and its key; signed by itself without an authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(authority[0].subject if authority else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(TODAY - dt.timedelta(days=400))
        .not_valid_after(TODAY + dt.timedelta(days=days, hours=1))
        .add_extension(x509.BasicConstraints(ca=authority is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    )
    return builder.sign(authority[1] if authority else key, hashes.SHA256()), key


def authority_file(folder: Path) -> Path:
    """The certificate of an authority, as a PEM file."""
    return server_certificate(folder)[1]


def server_certificate(folder: Path, days: int = 90) -> tuple[Path, Path]:
    """PEM files: a certificate for localhost with its key, and the authority that signed it."""
    authority = signed("Irisvue's tests", 1000)
    certificate, key = signed("localhost", days, authority)
    pem, private = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / "ca.pem").write_bytes(authority[0].public_bytes(pem))
    (folder / "server.pem").write_bytes(
        certificate.public_bytes(pem) + key.private_bytes(pem, private, serialization.NoEncryption())
    )
    return folder / "server.pem", folder / "ca.pem"


class _Server(ThreadingHTTPServer):
    """Speaks TLS; clients that hang up because of the certificate are no error."""

    def __init__(self, certificate: Path, handler: type[BaseHTTPRequestHandler] = BaseHTTPRequestHandler) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate)

    def handle_error(self, *_: Any) -> None:
        """Say nothing."""

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Answer over TLS."""
        with suppress(ssl.SSLError, OSError), self._tls.wrap_socket(request, server_side=True) as wrapped:
            super().finish_request(wrapped, client_address)


@contextmanager
def tls_server(folder: Path, days: int) -> Iterator[str]:
    """Its address. The certificate expires in `days` days; this process trusts the authority that signed it."""
    certificate, authority = server_certificate(folder, days)
    with pytest.MonkeyPatch.context() as patch, _served(_Server(certificate)) as url:
        patch.setenv("SSL_CERT_FILE", str(authority))
        yield url


@contextmanager
def tls_receiver(certificate: Path, answer: tuple[int, dict[str, str], bytes]) -> Iterator[str]:
    """The address of a server that always answers so."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, headers, body = answer
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_HEAD = do_POST

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with _served(_Server(certificate, Handler)) as url:
        yield url


@contextmanager
def _served(server: _Server) -> Iterator[str]:
    with in_a_thread(server):
        yield f"https://localhost:{server.server_address[1]}"
