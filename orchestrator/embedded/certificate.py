"""A certificate for `irisvue up --https`, from an authority that signs this one and never another."""

import datetime as dt
import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID = dt.timedelta(days=397)  # phones refuse what is valid for longer than 825 days
RENEW = dt.timedelta(days=30)  # before the end
PEM = serialization.Encoding.PEM


@dataclass(frozen=True)
class LocalCertificate:
    """PEM files: what phones and programs are to trust, the server's certificate, and its private key."""

    authority: Path
    certificate: Path
    key: Path

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the authority, as phones and browsers show it."""
        digest = x509.load_pem_x509_certificate(self.authority.read_bytes()).fingerprint(hashes.SHA256())
        return digest.hex(":").upper()


def files_of(folder: Path) -> LocalCertificate:
    """Where the data folder keeps its certificate."""
    return LocalCertificate(*(folder / "tls" / f"{name}.pem" for name in ("authority", "certificate", "key")))


def local_certificate(folder: Path, host: str) -> LocalCertificate:
    """The data folder's certificate for `host` and this machine, new where there is none that lasts."""
    files = files_of(folder)
    if not _is_good(files.certificate, host):
        files.key.parent.mkdir(mode=0o700, exist_ok=True)
        _make(files, host)
    return files


def _names(host: str) -> list[x509.GeneralName]:
    names = list(dict.fromkeys([host, "localhost", "127.0.0.1"]))
    return [_name(name) for name in names]


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _is_good(path: Path, host: str) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        return False
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return _name(host) in names and certificate.not_valid_after_utc - dt.datetime.now(dt.UTC) > RENEW


def _make(files: LocalCertificate, host: str) -> None:
    """Write the three files. The authority's own key is never written: it can't sign anything else."""
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Irisvue on {host}"[:64])])
    authority = (
        _begun(issuer, issuer, authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64])])
    usage = [ExtendedKeyUsageOID.SERVER_AUTH]
    certificate = (
        _begun(subject, issuer, key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(_names(host)), critical=False)
        .add_extension(x509.ExtendedKeyUsage(usage), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    with os.fdopen(os.open(files.key, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
        file.write(private)
    files.authority.write_bytes(authority.public_bytes(PEM))
    files.certificate.write_bytes(certificate.public_bytes(PEM))


def _begun(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))  # clocks differ
        .not_valid_after(now + VALID)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
