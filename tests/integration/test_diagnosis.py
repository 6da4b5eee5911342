"""What is wrong is said by its cause: clock, certificate, disk, rights, whatever does not answer."""

import datetime as dt
import errno
import json
import ssl
import threading
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

from orchestrator import db, health
from orchestrator.config import Settings
from orchestrator.embedded.stack import Stack
from orchestrator.services import Services
from orchestrator.storage import Storage
from tests.integration.test_cli import run
from tests.receivers import receiver

TODAY = dt.datetime.now(dt.UTC)
S3 = {"storage_url": "s3://photos", "s3_access_key_id": "key", "s3_secret_access_key": "secret"}


def signed(name: str, days: int, by: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None = None) -> Any:
    """A certificate that ends so many days from now, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by[0].subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(TODAY - dt.timedelta(days=400))
        .not_valid_after(TODAY + dt.timedelta(days=days, hours=1))
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    )
    return builder.sign(by[1] if by else key, hashes.SHA256()), key


@contextmanager
def tls_server(folder: Path, days: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An https address whose certificate ends so many days from now, by an authority that this process trusts."""
    authority = signed("Irisvue's tests", 1000)
    certificate, key = signed("localhost", days, authority)
    pem, private = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / "ca.pem").write_bytes(authority[0].public_bytes(pem))
    (folder / "server.pem").write_bytes(
        certificate.public_bytes(pem) + key.private_bytes(pem, private, serialization.NoEncryption())
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            """Clients that hang up are what this is about."""

        def finish_request(self, request: Any, address: Any) -> None:
            with suppress(ssl.SSLError, OSError), context.wrap_socket(request, server_side=True) as wrapped:
                super().finish_request(wrapped, address)

    server = Quiet(("127.0.0.1", 0), BaseHTTPRequestHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"https://localhost:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("days", "said"),
    [(90, "ok"), (5, "runs out in 5 days"), (-1, "is not valid: certificate has expired")],
)
async def test_certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int, said: str) -> None:
    with tls_server(tmp_path, days, monkeypatch) as url:
        assert said in await health.certificate(url)
    assert await health.certificate("http://localhost") == "ok"
    assert "can't be reached" in await health.certificate("https://localhost:9")


async def test_a_store_with_a_wrong_certificate_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with tls_server(tmp_path, -1, monkeypatch) as url:
        storage = Storage(Settings.model_validate(S3 | {"s3_endpoint": url}))
        assert await health.store(storage) == "its certificate is not valid: Expired"


async def test_a_store_that_denies_says_so() -> None:
    with receiver() as server:
        server.always = lambda _: (403, {}, b"<Error><Code>AccessDenied</Code></Error>")
        storage = Storage(Settings.model_validate(S3 | {"s3_endpoint": server.url}))
        assert "access denied" in await health.store(storage)


def test_a_full_disk_says_so() -> None:
    assert health.store_error(OSError(errno.ENOSPC, "No space left on device")) == "the disk is full"


def test_clocks() -> None:
    assert health.skew(1000.0, 1004.0) == "ok"
    assert health.skew(1000.0, 1030.0).startswith("30 s behind the database's")
    assert health.skew(1030.0, 1000.0).startswith("30 s ahead of the database's")


async def test_a_clock_that_is_wrong_is_named(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await health.database(services))["clock"] == "ok"
    real = db.server.clock

    async def wrong(session: Any) -> float:
        return await real(session) - 120

    monkeypatch.setattr(db.server, "clock", wrong)
    assert "120 s ahead of" in (await health.database(services))["clock"]


def test_doctor_of_a_service_that_is_well(stack: Stack) -> None:
    done = run("doctor", "--json", **stack.env)  # type: ignore[arg-type]
    found = {check["name"]: check for check in json.loads(done.stdout)}
    assert done.returncode == 0, found
    assert set(found) == {"database", "migrations", "clock", "workers", "queue", "store", "models", "certificate"}


@pytest.mark.parametrize(
    ("changed", "name", "said"),
    [
        ({"IRISVUE_DATABASE_URL": "postgresql+asyncpg://u:p@127.0.0.1:9/x"}, "database", "not reachable"),
        ({"IRISVUE_REDIS_URL": "redis://127.0.0.1:9/0"}, "queue", "Redis does not answer at 127.0.0.1:9"),
        ({"IRISVUE_TRITON_URL": "127.0.0.1:9"}, "models", "did not answer"),
        ({"IRISVUE_STORAGE_URL": "nowhere"}, "settings", "IRISVUE_STORAGE_URL is 'nowhere'"),
    ],
)
def test_doctor_names_what_is_not(stack: Stack, changed: dict[str, str], name: str, said: str) -> None:
    done = run("doctor", "--json", **stack.env | changed)  # type: ignore[arg-type]
    found = {check["name"]: check for check in json.loads(done.stdout)}
    assert done.returncode == 1 and not found[name]["good"] and said in found[name]["found"], done.stdout
    assert found[name]["mend"]
