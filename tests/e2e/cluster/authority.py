"""A cluster's certificate authority: certificates and kubeconfigs of all components.

authority = Authority(Path("pki"))
authority.server("apiserver", ["DNS:kubernetes", "IP:10.96.0.1"])
authority.client("admin", "admin", group="system:masters")
"""

import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAYS = 30
_PEM = serialization.Encoding.PEM
_Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class Authority:
    """Signs for one cluster.

    Attributes:
        directory: Where everything is: NAME.crt, NAME.key, and NAME.conf of clients.
    """

    def __init__(self, directory: Path, api: str) -> None:
        """Makes the authority, and the key that service account tokens are signed with.

        Args:
            directory: Is made.
            api: The URL of the API server, for kubeconfigs.
        """
        directory.mkdir(mode=0o700)
        self.directory = directory
        self._api = api
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("kubernetes-ca")
        constraint = x509.BasicConstraints(ca=True, path_length=None)
        certificate = (
            _builder(self._name, self._name, self._key)
            .add_extension(constraint, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self._keep("ca", self._key, certificate)
        accounts = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._write("sa.key", _private(accounts))
        public = serialization.PublicFormat.SubjectPublicKeyInfo
        self._write("sa.pub", accounts.public_key().public_bytes(_PEM, public))

    def server(self, name: str, names: Sequence[str], *, group: str = "", user: str = "") -> None:
        """Makes a certificate to serve with, and for a client where ``user`` is given.

        Args:
            name: Of the files.
            names: ``DNS:...`` and ``IP:...``.
            group: Of the client.
            user: Name of the client; there is a kubeconfig then.
        """
        alternatives = [_alternative(one) for one in names]
        self._issue(name, user or name, group, alternatives)
        if user:
            self._kubeconfig(name)

    def client(self, name: str, user: str, *, group: str = "") -> None:
        """Makes a client's certificate and kubeconfig."""
        self._issue(name, user, group, [])
        self._kubeconfig(name)

    def _issue(self, name: str, user: str, group: str, names: Sequence[x509.GeneralName]) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        usage = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        builder = _builder(_name(user, group), self._name, key)
        builder = builder.add_extension(x509.ExtendedKeyUsage(usage), critical=False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        self._keep(name, key, builder.sign(self._key, hashes.SHA256()))

    def _kubeconfig(self, name: str) -> None:
        """JSON, which is YAML."""
        cluster = {"server": self._api, "certificate-authority-data": self._encoded("ca.crt")}
        user = {
            "client-certificate-data": self._encoded(f"{name}.crt"),
            "client-key-data": self._encoded(f"{name}.key"),
        }
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "cluster", "cluster": cluster}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": "context", "context": {"cluster": "cluster", "user": name}}],
            "current-context": "context",
        }
        self._write(f"{name}.conf", json.dumps(document).encode())

    def _encoded(self, name: str) -> str:
        return base64.b64encode((self.directory / name).read_bytes()).decode()

    def _keep(self, name: str, key: _Key, certificate: x509.Certificate) -> None:
        self._write(f"{name}.key", _private(key))
        self._write(f"{name}.crt", certificate.public_bytes(_PEM))

    def _write(self, name: str, content: bytes) -> None:
        (self.directory / name).write_bytes(content)


def _builder(subject: x509.Name, issuer: x509.Name, key: _Key) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=_DAYS))
    )


def _name(user: str, group: str = "") -> x509.Name:
    groups = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group)] if group else []
    return x509.Name([*groups, x509.NameAttribute(NameOID.COMMON_NAME, user)])


def _alternative(name: str) -> x509.GeneralName:
    kind, _, value = name.partition(":")
    return x509.IPAddress(ip_address(value)) if kind == "IP" else x509.DNSName(value)


def _private(key: _Key) -> bytes:
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(_PEM, form, serialization.NoEncryption())
