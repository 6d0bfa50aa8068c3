"""One Elasticsearch node with TLS, and users whose roles are the documented ones."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lsh_core.elastic.connection import Connection
from lsh_core.errors import AirlshError
from lsh_core.local.account import give, node_account
from lsh_core.local.distribution import find_distribution
from lsh_core.local.java import require_java
from lsh_core.local.machine import MEBIBYTE
from lsh_core.local.node import ElasticsearchNode, NodeSettings
from lsh_core.local.ports import PortReservation
from tests.fakes.certificates import Authority, Signed

ROLES = json.loads((Path(__file__).parents[2] / "docs" / "guides" / "security-roles.json").read_text())
PASSWORD = "s3cret-pass"


def _hashed(password: str) -> str:
    salt = os.urandom(32)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 1000, 32)
    return f"{{PBKDF2}}1000${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


class _Node(ElasticsearchNode):
    """A node whose configuration is completed before it is started."""

    certificate: Signed
    authority: Path

    @property
    def url(self) -> str:
        return super().url.replace("http:", "https:")

    def _write_configuration(self) -> None:
        super()._write_configuration()
        config = self.home / "config"
        for source, name in ((self.certificate.certificate, "http.crt"), (self.certificate.key, "http.key")):
            shutil.copyfile(source, config / name)
        shutil.copyfile(self.authority, config / "ca.pem")
        yml = config / "elasticsearch.yml"
        yml.write_text(
            yml.read_text().replace("xpack.security.enabled: false", "xpack.security.enabled: true")
            + "xpack.security.http.ssl.enabled: true\n"
            + "xpack.security.http.ssl.certificate: http.crt\nxpack.security.http.ssl.key: http.key\n"
            + "xpack.security.http.ssl.certificate_authorities: [ca.pem]\n"
            + "xpack.security.http.ssl.client_authentication: optional\n"
        )
        users = ["admin", *ROLES]
        (config / "roles.yml").write_text("".join(f"{name}: {json.dumps(role)}\n" for name, role in ROLES.items()))
        (config / "users").write_text("".join(f"{user}:{_hashed(PASSWORD)}\n" for user in users))
        (config / "users_roles").write_text("superuser:admin\n" + "".join(f"{role}:{role}\n" for role in ROLES))
        give(node_account(), self.home)


@dataclass
class SecuredNode:
    """The running node; `authority` has signed its certificate."""

    url: str
    authority: Authority

    def connection(self, user: str = "admin", **fields: Any) -> Connection:
        """Return the connection of a user: ``admin``, or one named like a documented role."""
        trust: Mapping[str, Any] = {} if "ca_fingerprint" in fields else {"ca_certs": str(self.authority.ca)}
        return Connection((self.url,), **{"username": user, "password": PASSWORD, **trust, **fields})


@contextmanager
def secured_node(folder: Path) -> Iterator[SecuredNode]:
    """Start the node below `folder`, which every account may enter, and stop it at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    account = node_account()
    authority = Authority(folder, "test-authority")
    with PortReservation() as ports:
        node = _Node(
            NodeSettings(0, 1, "airlsh-secured", ports.pick("http"), (ports.pick("transport"),), 512 * MEBIBYTE),
            distribution=find_distribution(account=account),
            java=require_java(account),
            account=account,
            home=folder / "node",
            log=folder / "node.log",
            marker=f"secured-{os.getpid()}",
        )
        node.home.mkdir(exist_ok=True)
        node.certificate, node.authority = authority.sign("node"), authority.ca
        node.launch()
    try:
        running = SecuredNode(node.url, authority)
        _wait(node, running)
        yield running
    finally:
        node.stop()


def _wait(node: _Node, running: SecuredNode) -> None:
    deadline = time.monotonic() + 120
    while True:
        node.check_alive()
        try:
            running.connection().client().cluster.health(wait_for_status="yellow", timeout="1s")
        except Exception as error:
            if time.monotonic() > deadline or (
                isinstance(error, AirlshError) and error.final and "certificate" in str(error)
            ):
                raise
            time.sleep(0.3)
        else:
            return
