"""Certificates for tests: an authority, and what it signs."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_PEM = serialization.Encoding.PEM


@dataclass
class Signed:
    """A certificate and its key, as files."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates into a folder; `ca` is the PEM file of its own."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = self._builder(name, self._key, name, 365).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        ).sign(self._key, hashes.SHA256())  # fmt: skip
        self.ca = folder / f"{name}.pem"
        self.ca.write_bytes(self._certificate.public_bytes(_PEM))

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the authority's certificate."""
        return self._certificate.fingerprint(hashes.SHA256()).hex(":")

    def sign(self, name: str, *, host: str = "127.0.0.1", days: int = 30, password: str | None = None) -> Signed:
        """Sign a certificate for an IP address; one whose days are below 0 has expired. Its file holds the chain."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            self._builder(name, key, self._name, days)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        encryption = serialization.BestAvailableEncryption(password.encode()) if password else None
        signed = Signed(self._folder / f"{name}.crt", self._folder / f"{name}.key")
        signed.certificate.write_bytes(certificate.public_bytes(_PEM) + self._certificate.public_bytes(_PEM))
        signed.key.write_bytes(
            key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, encryption or serialization.NoEncryption())
        )
        for file in (signed.certificate, signed.key):
            file.chmod(0o644)
        return signed

    @staticmethod
    def _builder(name: str, key: ec.EllipticCurvePrivateKey, issuer: str, days: int) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=60))
            .not_valid_after(now + datetime.timedelta(days=days))
        )
