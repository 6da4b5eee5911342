"""The certificate of `irisvue up --https`: trusted by its authority, kept, and made anew when it no longer serves."""

import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from orchestrator.embedded import certificate
from orchestrator.embedded.certificate import LocalCertificate, local_certificate


def _shake_hands(files: LocalCertificate, name: str) -> None:
    """A TLS handshake in memory. Raises ssl.SSLError."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(files.certificate, files.key)
    server = serving.wrap_bio(to_server, to_client, server_side=True)
    client = ssl.create_default_context(cafile=files.authority).wrap_bio(to_client, to_server, server_hostname=name)
    for end in (client, server, client, server):
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue


@pytest.mark.parametrize("host", ["192.168.1.20", "iris.home", "fd00::20"])
def test_phones_that_trust_the_authority_trust_the_server(tmp_path: Path, host: str) -> None:
    files = local_certificate(tmp_path, host)
    for name in (host, "localhost", "127.0.0.1"):
        _shake_hands(files, name)
    with pytest.raises(ssl.SSLCertVerificationError):
        _shake_hands(files, "elsewhere.example.com")


def test_it_is_kept_until_it_ends_soon_or_another_host_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = local_certificate(tmp_path, "iris.home").certificate.read_bytes()
    assert local_certificate(tmp_path, "iris.home").certificate.read_bytes() == first
    other = local_certificate(tmp_path, "other.home").certificate.read_bytes()
    assert other != first
    monkeypatch.setattr(certificate, "RENEW", certificate.VALID)
    assert local_certificate(tmp_path, "other.home").certificate.read_bytes() != other


def test_only_its_owner_can_read_the_key_and_nobody_has_the_authoritys(tmp_path: Path) -> None:
    files = local_certificate(tmp_path, "iris.home")
    assert stat.S_IMODE(files.key.stat().st_mode) == 0o600
    assert sorted(path.name for path in files.key.parent.iterdir()) == ["authority.pem", "certificate.pem", "key.pem"]
    assert files.key.read_text().count("PRIVATE KEY") == 2, "one key: the server's"
    authority = x509.load_pem_x509_certificate(files.authority.read_bytes())
    assert files.fingerprint.replace(":", "") == authority.fingerprint(hashes.SHA256()).hex().upper()
