import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from pydantic import ValidationError

from fourones_shared.logs import configure_logging
from fourones_shared.settings import SecretsDirMissing, ServiceSettings

URL = "postgresql+psycopg://submission:s3cr%40t:x@127.0.0.1:5432/submission"


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> ServiceSettings:
    monkeypatch.setenv("FOURONES_DATABASE_URL", URL)
    return ServiceSettings()


def test_they_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOURONES_DATABASE_URL", URL)
    monkeypatch.setenv("FOURONES_TOPIC_PREFIX", "test-")
    monkeypatch.setenv("FOURONES_PORT", "8001")
    settings = ServiceSettings()

    assert settings.database_url == URL
    assert (settings.topic_prefix, settings.port, settings.host) == ("test-", 8001, "127.0.0.1")


def test_a_database_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FOURONES_DATABASE_URL", raising=False)
    with pytest.raises(ValidationError, match="database_url"):
        ServiceSettings()


# --- secrets in files ----------------------------------------------------------------------------------------------


@pytest.fixture
def secrets_dir(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.delenv("FOURONES_DATABASE_URL", raising=False)
    monkeypatch.setenv("FOURONES_SECRETS_DIR", str(tmp_path))
    return tmp_path


def test_a_secret_may_be_a_file_named_as_its_variable(secrets_dir: Path) -> None:
    (secrets_dir / "fourones_database_url").write_text(f"{URL}\n", encoding="utf-8")

    assert ServiceSettings().database_url == URL


def test_the_environment_wins_over_the_file(secrets_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (secrets_dir / "fourones_database_url").write_text("postgresql://of-the-file", encoding="utf-8")
    monkeypatch.setenv("FOURONES_DATABASE_URL", URL)

    assert ServiceSettings().database_url == URL


def test_other_files_beside_the_secrets_do_not_matter(secrets_dir: Path) -> None:
    (secrets_dir / "fourones_database_url").write_text(URL, encoding="utf-8")
    (secrets_dir / "somebody-elses").write_text("x", encoding="utf-8")
    # As Kubernetes mounts them: the files are links into a directory that begins with dots.
    (secrets_dir / "..data").mkdir()

    assert ServiceSettings().topic_prefix == ""


def test_a_secret_from_a_file_is_not_shown_either(secrets_dir: Path) -> None:
    (secrets_dir / "fourones_database_url").write_text(URL, encoding="utf-8")
    settings = ServiceSettings()

    assert "s3cr" not in f"{settings!r} {settings.described()}"


def test_a_directory_that_is_not_there_is_said_and_not_passed_over(
    secrets_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOURONES_SECRETS_DIR", str(secrets_dir / "misspelt"))
    monkeypatch.setenv("FOURONES_DATABASE_URL", URL)

    with pytest.raises(SecretsDirMissing, match="misspelt"):
        ServiceSettings()


def test_they_do_not_change(settings: ServiceSettings) -> None:
    with pytest.raises(ValidationError):
        settings.port = 1  # type: ignore[misc]


def test_the_password_is_never_shown(settings: ServiceSettings) -> None:
    shown = str(settings.described()["database_url"])

    assert shown == "postgresql+psycopg://submission:…@127.0.0.1:5432/submission"
    for words in (repr(settings), str(settings), repr(settings.described())):
        assert "s3cr" not in words


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql+psycopg://127.0.0.1/x", "postgresql+psycopg://127.0.0.1/x"),
        ("postgresql+psycopg://user@127.0.0.1/x", "postgresql+psycopg://user@127.0.0.1/x"),
        ("postgresql+psycopg://user:p@ss@127.0.0.1/x", "postgresql+psycopg://user:…@127.0.0.1/x"),
        ("postgresql+psycopg:///x?host=h&password=p", "postgresql+psycopg:///x?host=h&password=…"),
        ("not an address", "…"),
    ],
)
def test_other_ways_to_write_an_address_show_none_either(url: str, shown: str) -> None:
    assert ServiceSettings(database_url=url).described()["database_url"] == shown


@pytest.fixture
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    before = (root.handlers, root.level)
    yield
    root.handlers, level = before
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.mark.usefixtures("_logging_as_before")
def test_a_log_line_is_one_object_with_service_and_level(
    settings: ServiceSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(settings, "submission-api")
    structlog.get_logger("fourones").info("catalogue in force", version=3, 名称="徐州")
    logging.getLogger("a.library").warning("took %s s", 2)

    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["event"], first["version"], first["名称"]) == ("catalogue in force", 3, "徐州")
    assert (first["service"], first["level"]) == ("submission-api", "info")
    assert (second["event"], second["logger"], second["level"]) == ("took 2 s", "a.library", "warning")


@pytest.mark.usefixtures("_logging_as_before")
def test_a_traceback_tells_the_places_and_not_the_values(
    settings: ServiceSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(settings, "submission-api")

    def fails(key: str) -> float:
        return len(key) / 0

    try:
        fails("fo_5f0c_secret".upper())
    except ZeroDivisionError:
        structlog.get_logger("fourones").exception("it failed")

    line = capsys.readouterr().out
    assert "ZeroDivisionError" in line
    assert "FO_5F0C_SECRET" not in line
