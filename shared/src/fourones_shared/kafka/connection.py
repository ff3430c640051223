"""How to reach the brokers: their addresses, and what they ask for before they serve; the same for every client."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any


class SecurityProtocol(StrEnum):
    """What a listener of a broker speaks, in Kafka's words."""

    PLAINTEXT = "PLAINTEXT"
    SSL = "SSL"
    SASL_PLAINTEXT = "SASL_PLAINTEXT"
    SASL_SSL = "SASL_SSL"

    @property
    def encrypts(self) -> bool:
        """Whether it is TLS."""
        return self in {SecurityProtocol.SSL, SecurityProtocol.SASL_SSL}

    @property
    def names_its_user(self) -> bool:
        """Whether the client logs in with a name and a password."""
        return self in {SecurityProtocol.SASL_PLAINTEXT, SecurityProtocol.SASL_SSL}


class SaslMechanism(StrEnum):
    """How name and password are shown to the broker."""

    PLAIN = "PLAIN"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    SCRAM_SHA_512 = "SCRAM-SHA-512"


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """Everything a client needs to be let in.

    Attributes:
        bootstrap: host:port[,host:port…].
        ca_file: PEM file of the authorities that sign the brokers' certificates; the system's without it.
        cert_file, key_file: PEM files of the client's own certificate, where the brokers ask for one.
    """

    bootstrap: str
    protocol: SecurityProtocol = SecurityProtocol.PLAINTEXT
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    mechanism: SaslMechanism = SaslMechanism.SCRAM_SHA_512
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        # A broker hangs up on a wrong password as on a wrong protocol: who asked, and how, belongs to the error.
        if self.protocol is SecurityProtocol.PLAINTEXT:
            return self.bootstrap
        who = f" as {self.username}" if self.username else ""
        return f"{self.bootstrap} ({self.protocol}{who})"

    def options(self) -> Mapping[str, Any]:
        """The arguments of a client of kafka-python."""
        options: dict[str, Any] = {"bootstrap_servers": self.bootstrap, "security_protocol": self.protocol.value}
        if self.protocol.encrypts:
            files = {"ssl_cafile": self.ca_file, "ssl_certfile": self.cert_file, "ssl_keyfile": self.key_file}
            options |= {name: str(file) for name, file in files.items() if file is not None}
        if self.protocol.names_its_user:
            options |= {
                "sasl_mechanism": self.mechanism.value,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password,
            }
        return options


Kafka = KafkaConnection | str
"""How to reach the brokers; a bare address is an open listener, as on a developer's machine."""


def client_options(kafka: Kafka) -> Mapping[str, Any]:
    """The arguments that every client of kafka-python starts from."""
    return (KafkaConnection(kafka) if isinstance(kafka, str) else kafka).options()
