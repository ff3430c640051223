import json
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from fourones_local.errors import LocalStackError, NotRunning
from fourones_local.server import wait_until
from fourones_local.stack import Stack
from fourones_local.supervisor import MARKER


@pytest.fixture
def state_dir(servers_dir: Path) -> Path:
    return _new_directory(servers_dir)


@pytest.fixture(scope="module")
def servers_only(servers_dir: Path) -> Iterator[Stack]:
    """One for several tests, each of which leaves it running as it was."""
    stack = _stack(_new_directory(servers_dir))
    stack.start()
    yield stack
    stack.stop()
    stack.clean()


def test_what_is_killed_comes_back_with_a_new_process(servers_only: Stack) -> None:
    before = {name: servers_only.kill(name) for name in ("postgres", "kafka")}

    _wait_until_restarted(servers_only, before)
    servers_only.wait_ready()

    assert all(servers_only.supervisor.pid(name) != pid for name, pid in before.items())


def test_a_stopped_program_stays_stopped_until_it_is_started(servers_only: Stack) -> None:
    servers_only.stop_program("postgres")
    with pytest.raises(NotRunning, match="postgres is not running"):
        servers_only.kill("postgres")

    servers_only.start_program("postgres")
    servers_only.wait_ready()


def test_every_service_gets_a_database_that_it_owns(servers_only: Stack) -> None:
    with servers_only.postgres.connect() as connection:
        rows = connection.execute(
            "SELECT datname::text, pg_get_userbyid(datdba)::text FROM pg_database WHERE NOT datistemplate"
        ).fetchall()

    assert {("submission", "submission"), ("aggregation", "aggregation"), ("alerting", "alerting")} <= set(rows)


def test_secrets_are_readable_by_the_owner_only(servers_only: Stack) -> None:
    state = servers_only.state

    for file in (state.passwords, state.endpoints, state.supervisor_configuration):
        assert file.stat().st_mode & 0o077 == 0, file
    assert state.control_socket.stat().st_mode & 0o077 == 0


def test_nothing_is_left_after_a_stop_and_a_second_start_finds_the_data_at_the_same_address(state_dir: Path) -> None:
    first = _stack(state_dir)
    first.start()
    addresses = json.loads(first.state.endpoints.read_text(encoding="utf-8"))
    with first.postgres.connect() as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS value")
    first.stop()
    assert _processes_of(first) == []
    assert not first.state.endpoints.exists()

    second = _stack(state_dir)
    second.start()
    try:
        assert second.endpoints == addresses
        with second.postgres.connect() as connection:
            assert connection.execute("SELECT value FROM kept").fetchone() == (1,)
    finally:
        second.stop()


def test_the_programs_end_with_a_killed_supervisor_and_the_next_start_recovers(state_dir: Path) -> None:
    stack = _stack(state_dir)
    stack.start()
    supervisor = psutil.Process(stack.supervisor.pid("kafka")).parent()
    assert supervisor is not None
    programs = supervisor.children(recursive=True)
    supervisor.kill()
    _, alive = psutil.wait_procs(programs, timeout=30)
    assert alive == []
    assert not stack.running

    again = _stack(state_dir)
    again.start()
    again.stop()
    stack.stop()


def test_a_running_stack_is_neither_started_twice_nor_cleaned(servers_only: Stack) -> None:
    other = _stack(servers_only.state.root)

    with pytest.raises(LocalStackError, match="already running"):
        other.start()
    with pytest.raises(LocalStackError, match="stop it first"):
        other.clean()


def test_a_demonstration_waits_for_the_keys_of_a_stack_that_is_still_starting(
    servers_only: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, endpoints = _stack(servers_only.state.root), servers_only.state.endpoints
    began = threading.Event()
    monkeypatch.setattr(other, "seeding", began.set)
    kept = endpoints.rename(endpoints.with_suffix(".kept"))
    try:
        # Ends with an error after it has begun: what follows is not asked for here.
        demonstrating = threading.Thread(target=_until_it_fails, args=(other.demonstrate,))
        demonstrating.start()
        assert not began.wait(1)
    finally:
        kept.rename(endpoints)
    assert began.wait(10)
    demonstrating.join(10)


def _until_it_fails(work: Callable[[], None]) -> None:
    with pytest.raises(AttributeError):
        work()


def _new_directory(servers_dir: Path) -> Path:
    directory = Path(tempfile.mkdtemp(prefix="stack-", dir=servers_dir))
    directory.chmod(0o755)
    return directory


def _stack(state_dir: Path) -> Stack:
    return Stack(state_dir, services=(), free_ports=True, tied=True)


def _wait_until_restarted(stack: Stack, before: dict[str, int]) -> None:
    def restarted() -> bool:
        infos = {name: stack.supervisor.info(name) for name in before}
        return all(info["pid"] not in {0, before[name]} for name, info in infos.items())

    wait_until(restarted, timeout=60, alive=lambda: True)


def _processes_of(stack: Stack) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            marked = process.environ().get(MARKER) == os.fspath(stack.state.root)
        except psutil.Error:
            continue
        if marked:
            found.append(process)
    return found
