"""Settings from the environment and from files of secrets, one frozen object per process; nothing is read at import."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SecretsSettingsSource, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from fourones_shared.kafka.connection import KafkaConnection, SaslMechanism, SecurityProtocol

SECRETS_DIR = "FOURONES_SECRETS_DIR"


class SecretsDirMissing(Exception):
    """`FOURONES_SECRETS_DIR` names what is no directory: the process would start without what it was given."""


class ServiceSettings(BaseSettings):
    """What every process of every service needs. Variables are named `FOURONES_<FIELD>`.

    What a process must not show in its environment may be a file instead: in the directory that `FOURONES_SECRETS_DIR`
    names, called as the variable is, in lower case (`fourones_database_url`). The environment wins over the file.

    Raises:
        SecretsDirMissing: `FOURONES_SECRETS_DIR` names no directory.
    """

    # What is refused may be a password in the wrong place, and the refusal ends in the log.
    model_config = SettingsConfigDict(env_prefix="FOURONES_", frozen=True, extra="ignore", hide_input_in_errors=True)

    database_url: str = Field(repr=False, description="postgresql+psycopg://user:password@host:port/database")
    database_password: SecretStr | None = Field(
        default=None, description="put into the database's address where that has none: a secret apart from it"
    )
    kafka_bootstrap: str = Field(default="127.0.0.1:9092", description="host:port[,host:port…]")
    kafka_security_protocol: SecurityProtocol = Field(
        default=SecurityProtocol.PLAINTEXT, description="what the brokers' listener speaks"
    )
    kafka_ca_file: Path | None = Field(
        default=None, description="PEM file of who signs the brokers' certificates; the system's authorities without it"
    )
    kafka_cert_file: Path | None = Field(default=None, description="PEM file of the client's own certificate")
    kafka_key_file: Path | None = Field(default=None, description="PEM file of that certificate's key")
    kafka_sasl_mechanism: SaslMechanism = Field(default=SaslMechanism.SCRAM_SHA_512, description="how it logs in")
    kafka_username: str | None = Field(default=None, description="who it is for the brokers")
    kafka_password: SecretStr | None = Field(default=None, description="what proves it")
    topic_prefix: str = Field(default="", description="put before every topic and group name, for tests")
    host: str = Field(default="127.0.0.1", description="address to listen on")
    # As long as whoever distributes requests takes to learn that this instance is going.
    drain_s: float = Field(default=0, ge=0, le=30, description="how long an API that was told to end serves on")
    port: int = Field(default=0, ge=0, le=65535, description="HTTP port; 0 takes the role's default")
    # None is what a healthy day has; a hundred are no stray records but a fault that somebody must look at.
    dead_letter_limit: int = Field(
        default=100, ge=0, description="records that a consumer sets aside within an hour before it waits for a person"
    )
    requests_per_second: int = Field(default=100, ge=0, description="of one key, over all instances; 0 for no limit")
    request_burst: int = Field(default=100, ge=1, description="requests that a key may make at once after a pause")
    log_format: Literal["json", "console"] = "json"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic-settings'
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Where values come from, the first that has one wins."""
        sources = (init_settings, env_settings, dotenv_settings)
        # Asked now and not in `model_config`, which is made at import.
        directory = os.environ.get(SECRETS_DIR)
        if not directory:
            return sources
        if not Path(directory).is_dir():
            raise SecretsDirMissing(f"{SECRETS_DIR}={directory} is not a directory")
        return (*sources, SecretsSettingsSource(settings_cls, secrets_dir=directory))

    @property
    def kafka(self) -> KafkaConnection:
        """How to reach the brokers."""
        return KafkaConnection(
            bootstrap=self.kafka_bootstrap,
            protocol=self.kafka_security_protocol,
            ca_file=self.kafka_ca_file,
            cert_file=self.kafka_cert_file,
            key_file=self.kafka_key_file,
            mechanism=self.kafka_sasl_mechanism,
            username=self.kafka_username,
            password=None if self.kafka_password is None else self.kafka_password.get_secret_value(),
        )

    def described(self) -> dict[str, object]:
        """The settings without secrets, for the log line at start."""
        shown = self.model_dump(mode="json")
        shown["database_url"] = _without_password(self.database_url)
        secrets = {name for name in type(self).model_fields if isinstance(getattr(self, name), SecretStr)}
        return shown | dict.fromkeys(secrets, "…")

    @model_validator(mode="before")
    @classmethod
    def _complete_the_address(cls, given: Any) -> Any:
        # Operators of databases write `postgresql://`; which driver is ours to say.
        if isinstance(given, dict) and isinstance(url := given.get("database_url"), str):
            url = re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url)
            return given | {"database_url": _with_password(url, given.get("database_password"))}
        return given

    @model_validator(mode="after")
    def _can_be_let_in(self) -> Self:
        # Half a set of credentials would be found out by retries without end, or not at all.
        protocol = self.kafka_security_protocol
        if protocol.names_its_user and not (self.kafka_username and self.kafka_password):
            raise ValueError(f"{protocol} needs FOURONES_KAFKA_USERNAME and FOURONES_KAFKA_PASSWORD")
        if self.kafka_username and not protocol.names_its_user:
            raise ValueError(f"FOURONES_KAFKA_USERNAME is given, but {protocol} shows nobody's name")
        if (self.kafka_cert_file is None) != (self.kafka_key_file is None):
            raise ValueError("FOURONES_KAFKA_CERT_FILE and FOURONES_KAFKA_KEY_FILE are needed together")
        if not protocol.encrypts and (self.kafka_ca_file or self.kafka_cert_file):
            raise ValueError(f"a certificate for Kafka is given, but {protocol} is not TLS")
        return self


def _with_password(url: str, password: Any) -> str:
    plain = password.get_secret_value() if isinstance(password, SecretStr) else password
    if not isinstance(plain, str) or not plain:
        return url
    try:
        address = make_url(url)
    except ArgumentError:
        # Whoever connects says what is wrong with it.
        return url
    if address.password is not None:
        return url
    return address.set(password=plain).render_as_string(hide_password=False)


def _without_password(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if not separator:
        # Not an address at all; it may be a password that was put into the wrong variable.
        return "…"
    credentials, at, place = rest.rpartition("@")
    user = credentials.partition(":")[0]
    shown = f"{scheme}://{user}{':…' if ':' in credentials else ''}{at}{place}"
    return re.sub(r"(password=)[^&]*", r"\1…", shown)
