"""A real broker as in production: clients by TLS with name and password (SCRAM), and allowed what a list says."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kafka import KafkaAdminClient
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ResourcePattern,
    ResourceType,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from kafka.errors import KafkaError

from fourones_local.kafka import KafkaNode, new_cluster_id
from fourones_local.layout import Repository
from fourones_local.ports import LOOPBACK, free_port, is_free
from fourones_local.process import ServerProcess
from fourones_shared.kafka.connection import KafkaConnection, SecurityProtocol

ADMIN = "admin"
# Of a broker that lives for a test.
PASSWORD = "only-for-this-test"  # noqa: S105

_SECURITY = """
ssl.keystore.type=PKCS12
ssl.keystore.location={keystore}
ssl.keystore.password={password}
sasl.enabled.mechanisms=SCRAM-SHA-512
sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required \
username="{admin}" password="{password}";
ssl.truststore.type=PEM
ssl.truststore.location={ca}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
# The controller's listener is the node's own.
super.users=User:{admin};User:ANONYMOUS
"""


@dataclass(frozen=True)
class SecuredNode(KafkaNode):
    """A node whose only listener for clients is SASL_SSL."""

    @property
    def ca_file(self) -> Path:
        """Who signed its certificate: itself."""
        return self.data_dir / "ca.pem"

    def connection(self, user: str, password: str = PASSWORD) -> KafkaConnection:
        """How a user reaches it."""
        return KafkaConnection(
            self.bootstrap, SecurityProtocol.SASL_SSL, ca_file=self.ca_file, username=user, password=password
        )

    def server_properties(self) -> str:
        """The text of `server.properties`."""
        text = re.sub(r"(?<!CONTROLLER:)\bPLAINTEXT\b", "SASL_SSL", super().server_properties())
        return text + _SECURITY.format(keystore=self._keystore, ca=self.ca_file, admin=ADMIN, password=PASSWORD)

    def prepare(self) -> None:
        """Makes the certificate, then what every node needs."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        if not self._keystore.exists():
            keytool = shutil.which("keytool")
            assert keytool is not None, "a JDK is needed"
            store = ["-keystore", str(self._keystore), "-storetype", "PKCS12", "-storepass", PASSWORD, "-alias", "node"]
            about = ["-dname", "CN=test", "-ext", f"SAN=IP:{LOOPBACK}", "-keyalg", "EC", "-validity", "2"]
            _run([keytool, "-genkeypair", *store, *about])
            _run([keytool, "-exportcert", "-rfc", *store, "-file", str(self.ca_file)])
        super().prepare()

    @property
    def _keystore(self) -> Path:
        return self.data_dir / "keystore.p12"

    def _format(self) -> None:
        # The first user must be there before the node is: it is the one that makes the others.
        tool = ["kafka.tools.StorageTool", "format", "--config", str(self._properties)]
        credentials = f"SCRAM-SHA-512=[name={ADMIN},password={PASSWORD}]"
        java = self._java("-XX:TieredStopAtLevel=1")
        _run([*java, *tool, "--cluster-id", new_cluster_id(), "--add-scram", credentials])

    def _answers(self) -> bool:
        if is_free(self.port):
            return False
        try:
            with closing(self.admin()) as admin:
                return bool(admin.describe_cluster()["brokers"])
        except (KafkaError, OSError):
            return False

    def admin(self) -> KafkaAdminClient:
        """A client that may do everything."""
        return KafkaAdminClient(**self.connection(ADMIN).options(), bootstrap_timeout_ms=2_000)


@contextmanager
def secured_kafka(folder: Path) -> Iterator[SecuredNode]:
    """The broker, running."""
    repository = Repository.here()
    port = free_port()
    node = SecuredNode(
        home=repository.kafka_home,
        data_dir=folder / "kafka",
        port=port,
        controller_port=free_port([port]),
        jvm_options=("-XX:TieredStopAtLevel=1",),
    )
    process = ServerProcess(node, folder / "kafka.log")
    process.start()
    try:
        yield node
    finally:
        process.stop()


def admit(node: SecuredNode, users: Iterable[Mapping[str, Any]]) -> None:
    """Do what Strimzi's user operator does with its KafkaUsers: a password each, and what each may do."""
    with closing(node.admin()) as admin:
        credentials, rights = [], []
        for user in users:
            name = user["metadata"]["name"]
            mechanism = ScramMechanism.SCRAM_SHA_512
            credentials.append(UserScramCredentialUpsertion(name, mechanism, password=PASSWORD, iterations=4096))
            rights += [right for acl in user["spec"]["authorization"]["acls"] for right in _rights(name, acl)]
        answers = admin.alter_user_scram_credentials(credentials)
        assert not any(answers.values()), answers
        assert not admin.create_acls(rights)["failed"]


def _rights(user: str, acl: Mapping[str, Any]) -> Iterator[ACL]:
    resource = acl["resource"]
    kind = ResourceType[_enumerated(resource["type"])]
    for operation in acl["operations"]:
        yield ACL(
            principal=f"User:{user}",
            host="*",
            operation=ACLOperation[_enumerated(operation)],
            permission_type=ACLPermissionType.ALLOW,
            resource_pattern=ResourcePattern(kind, resource["name"]),
        )


def _enumerated(word: str) -> str:
    """`transactionalId` → `TRANSACTIONAL_ID`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", word).upper()


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
