import pytest
from unit.cli.fake_service import FakeService


@pytest.fixture
def service():
    with FakeService() as running:
        yield running


@pytest.fixture(autouse=True)
def no_settings_of_the_person_who_runs_the_tests(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("FOURONES_URL", "FOURONES_KEY", "FOURONES_ALERTING_URL", "FOURONES_LANG"):
        monkeypatch.delenv(name, raising=False)
