"""A folder of reports against the real service: whatever breaks, everything is accepted exactly once."""

import json
import signal
from collections.abc import Callable
from pathlib import Path

from integration.cli.commands import Command
from integration.submission.service import Service
from support.waiting import eventually

Simulated = Callable[[int], Path]


def bodies(folder: Path) -> list[bytes]:
    return sorted(file.read_bytes() for file in folder.rglob("*.json") if not file.name.startswith("."))


def accepted(service: Service, folder: Path) -> list[bytes]:
    """What the service has stored of the folder's files, each as often as it is stored."""
    sent = set(bodies(folder))
    return sorted(body for (body,) in service.rows("SELECT body FROM submission") if bytes(body) in sent)


def journal_lines(fourones: Command) -> list[dict[str, object]]:
    (journal,) = (fourones.state / "fourones" / "submitted").iterdir()
    return [json.loads(line) for line in journal.read_text().splitlines()]


def test_killed_in_the_middle_and_run_again_everything_is_accepted_exactly_once(
    service: Service, fourones: Command, simulated: Simulated
):
    folder = simulated(11)
    total = len(bodies(folder))
    assert total > 100
    for killed_at in (5, 30, 60):
        running = fourones.started("submit", folder)
        eventually(lambda at=killed_at: len(accepted(service, folder)) >= at)  # type: ignore[misc]
        running.send_signal(signal.SIGKILL)
        assert running.wait(30) == -signal.SIGKILL
        assert len(accepted(service, folder)) < total
    done = fourones("submit", folder)
    assert done.returncode == 0, done.stderr
    assert "跳过" in done.stdout
    assert accepted(service, folder) == bodies(folder)
    again = fourones("submit", folder)
    assert again.returncode == 0
    assert f"跳过 {total} 份" in again.stdout
    assert len(accepted(service, folder)) == total


def test_interrupted_it_tells_what_was_done_and_goes_on_from_there(
    service: Service, fourones: Command, simulated: Simulated
):
    folder = simulated(12)
    running = fourones.started("submit", folder)
    eventually(lambda: len(accepted(service, folder)) >= 5)
    running.send_signal(signal.SIGINT)
    assert running.wait(30) == 130
    told = fourones.said.read_text()
    assert "原样再执行一次即从这里继续" in told
    assert "合计:已受理" in told
    assert fourones("submit", folder).returncode == 0
    assert accepted(service, folder) == bodies(folder)


def test_two_runs_at_once_accept_everything_once_and_leave_a_whole_journal(
    service: Service, fourones: Command, simulated: Simulated
):
    folder = simulated(13)
    running = [fourones.started("submit", folder) for _ in range(2)]
    assert [process.wait(120) for process in running] == [0, 0]
    assert accepted(service, folder) == bodies(folder)
    names = {str(line["file"]) for line in journal_lines(fourones)}
    assert names == {file.relative_to(folder).as_posix() for file in folder.rglob("20*/*.json")}
    assert f"跳过 {len(names)} 份" in fourones("submit", folder).stdout


def test_what_a_restored_database_has_lost_is_sent_again(service: Service, fourones: Command, simulated: Simulated):
    folder = simulated(14)
    assert fourones("submit", folder).returncode == 0
    lost = [str(line["submission_id"]) for line in journal_lines(fourones)[-7:]]
    with service.engine.begin() as connection:
        for table in ("idempotency", "submission"):
            condition = "submission_id = ANY (CAST(%s AS uuid[]))"
            connection.exec_driver_sql(f"DELETE FROM {table} WHERE {condition}", (lost,))  # noqa: S608
    assert len(accepted(service, folder)) == len(bodies(folder)) - 7
    done = fourones("submit", folder)
    assert done.returncode == 0
    assert "7 份" in done.stderr
    assert accepted(service, folder) == bodies(folder)


def test_one_that_is_wrong_is_told_and_the_others_are_accepted(
    service: Service, fourones: Command, simulated: Simulated
):
    folder = simulated(15)
    wrong = next(folder.rglob("2025-03/*.json"))
    body = json.loads(wrong.read_bytes())
    body["figures"][0]["unit"] = "公斤"
    wrong.write_text(json.dumps(body))
    done = fourones("submit", folder)
    assert done.returncode == 1
    assert "unit_wrong" in done.stderr
    assert f"1 份未通过:{wrong.relative_to(folder)}" in done.stderr
    assert len(accepted(service, folder)) == len(bodies(folder)) - 1
