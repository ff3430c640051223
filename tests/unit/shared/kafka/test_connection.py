from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from fourones_shared.kafka.connection import KafkaConnection, SecurityProtocol, client_options
from fourones_shared.settings import ServiceSettings

DATABASE = "postgresql+psycopg://a@b/c"
USER: dict[str, Any] = {"kafka_username": "aggregation-kafka", "kafka_password": "hidden"}
CERTIFICATE: dict[str, Any] = {"kafka_cert_file": "/c.pem", "kafka_key_file": "/k.pem"}


def test_a_bare_address_is_an_open_listener() -> None:
    assert client_options("b:9092") == {"bootstrap_servers": "b:9092", "security_protocol": "PLAINTEXT"}
    assert client_options(KafkaConnection("b:9092")) == client_options("b:9092")


def test_name_and_password_go_over_tls() -> None:
    made = ServiceSettings(
        database_url=DATABASE, kafka_security_protocol=SecurityProtocol.SASL_SSL, kafka_ca_file=Path("/ca.pem"), **USER
    )

    assert client_options(made.kafka) == {
        "bootstrap_servers": "127.0.0.1:9092",
        "security_protocol": "SASL_SSL",
        "ssl_cafile": "/ca.pem",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "aggregation-kafka",
        "sasl_plain_password": "hidden",
    }


def test_a_client_may_show_a_certificate_instead() -> None:
    made = ServiceSettings(database_url=DATABASE, kafka_security_protocol=SecurityProtocol.SSL, **CERTIFICATE)

    options = client_options(made.kafka)
    assert (options["ssl_certfile"], options["ssl_keyfile"]) == ("/c.pem", "/k.pem")
    assert "sasl_mechanism" not in options


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"kafka_security_protocol": "SASL_SSL"}, "needs FOURONES_KAFKA_USERNAME and FOURONES_KAFKA_PASSWORD"),
        ({"kafka_security_protocol": "SASL_SSL", "kafka_username": "a"}, "needs FOURONES_KAFKA_USERNAME"),
        (USER, "PLAINTEXT shows nobody's name"),
        (USER | {"kafka_security_protocol": "SSL"}, "SSL shows nobody's name"),
        ({"kafka_security_protocol": "SSL", "kafka_cert_file": "/c.pem"}, "needed together"),
        (USER | {"kafka_security_protocol": "SASL_PLAINTEXT", "kafka_ca_file": "/ca.pem"}, "is not TLS"),
        ({"kafka_security_protocol": "TLS"}, "PLAINTEXT"),
    ],
)
def test_half_of_what_is_needed_is_refused_at_the_start(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason) as refused:
        ServiceSettings(database_url=DATABASE, **given)
    assert "hidden" not in str(refused.value)


def test_an_error_can_say_who_asked_and_how_and_never_with_which_password() -> None:
    secured = KafkaConnection("b:9093", SecurityProtocol.SASL_SSL, username="topics-kafka", password="hidden")  # noqa: S106

    assert str(secured) == "b:9093 (SASL_SSL as topics-kafka)"
    assert str(KafkaConnection("b:9092")) == "b:9092"
    assert "hidden" not in repr(secured)


@pytest.mark.parametrize(
    ("url", "password", "completed"),
    [
        ("postgresql://a@b:5432/c", "p@ss", "postgresql+psycopg://a:p%40ss@b:5432/c"),
        ("postgres://a@b/c?sslmode=verify-full", "x", "postgresql+psycopg://a:x@b/c?sslmode=verify-full"),
        ("postgresql+psycopg://a:own@b/c", "x", "postgresql+psycopg://a:own@b/c"),
        ("postgresql+psycopg://a@b/c", None, "postgresql+psycopg://a@b/c"),
        ("nonsense", "x", "nonsense"),
    ],
)
def test_the_database_s_password_may_stand_apart_from_its_address(
    url: str, password: str | None, completed: str
) -> None:
    assert ServiceSettings(database_url=url, database_password=password).database_url == completed
