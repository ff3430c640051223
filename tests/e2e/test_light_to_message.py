"""From a figure that turns a target red to the message in each channel of its departments, and to nobody else.

Real Kafka, PostgreSQL, Prometheus, Alertmanager, mail server; robots that hold their senders to what the real ones
document. Processes are killed with SIGKILL.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from e2e.telling import RECOVERED, RED, Program, System, a_system, quicker
from support.waiting import eventually

from fourones_local.layout import Repository

CHANNELS = {"mail", "wecom", "hook", "dingtalk", "feishu"}


@pytest.fixture
def system(kafka_bootstrap: str, database_url: str, topic_prefix: str, tmp_path: Path) -> Iterator[System]:
    with a_system(kafka_bootstrap, database_url, topic_prefix, tmp_path) as made:
        yield made


def everybody_got(system: System, *titles: str) -> None:
    """Each channel of the two departments got exactly these, in this order, and nobody else anything about it."""

    def have() -> bool:
        got = system.titles()
        assert {name: got[name] for name in CHANNELS} == {name: list(titles) for name in CHANNELS}
        assert got["not concerned"] == []
        # The machinery's failures are the operators', and nothing else is.
        assert all(title.startswith("系统") for title in got["operators"])
        return True

    eventually(have)


def told_more(system: System, times: int) -> None:
    """Wait until Alertmanager has called so many times more, and all of it has been looked at."""
    before = system.calls()
    eventually(lambda: system.calls() >= before + times)
    system.looked_twice()


def test_one_message_for_each_fact_in_each_channel_whatever_is_killed(system: System) -> None:
    # --- a figure turns the target red
    system.turn_red()
    everybody_got(system, RED)
    assert all(len(set(numbers)) == len(numbers) for numbers in system.numbers().values())

    # --- it is told again and again by Alertmanager, and posted once more with another value
    told_more(system, 2)
    system.turn_red()
    told_more(system, 2)
    everybody_got(system, RED)

    # --- the metric vanishes with the API, which Prometheus takes for the end of it
    system.api.kill()
    eventually(lambda: system.firing() == [])
    system.api.start()
    system.api.wait_ready()
    eventually(lambda: "TargetOffTrack" in system.firing())
    told_more(system, 2)
    everybody_got(system, RED)

    # --- it recovers
    system.recover()
    everybody_got(system, RED, RECOVERED)
    eventually(lambda: system.firing() == [])
    system.looked_twice()
    everybody_got(system, RED, RECOVERED)

    # --- the worker dies while it sends: that one message comes twice, with one number, and nothing else does
    hook = system.hook
    history = [RED, RECOVERED]
    # No Prometheus tells a worker that starts anew of what has ended meanwhile.
    system.worker.environment["FOURONES_TELL_RECOVERED_AFTER_S"] = "2"
    # Its receiver has the request and does not answer yet; all others have theirs.
    asked, told_before = hook.asked, len(system.notices())
    with hook._lock:
        system.turn_red()
        eventually(lambda: len(system.notices()) == told_before + len(CHANNELS))
        eventually(lambda: [item["channel"] for item in unsettled(system)] == ["gxj/hook"])
        [number] = [item["number"] for item in unsettled(system) if item["state"] == "sending"]
        system.worker.kill()
    eventually(lambda: hook.asked > asked)
    restarted(system.worker)
    history.append(RED)
    everybody_got(system, *history)
    eventually(lambda: hook.repeated == [number])
    system.looked_twice()
    assert sent_once(system)

    # --- each of the four dies, at the moment at which its part of the way has just begun
    kills: list[tuple[Program, Callable[[], None], str]] = [
        (system.api, system.recover, RECOVERED),
        (system.alertmanager, system.turn_red, RED),
        (system.prometheus, system.recover, RECOVERED),
        (system.worker, system.turn_red, RED),
    ]
    for program, happens, title in kills:
        happens()
        program.kill()
        restarted(program)
        history.append(title)
        everybody_got(system, *history)
    system.looked_twice()
    everybody_got(system, *history)
    assert hook.repeated == [number]
    assert sent_once(system)


def unsettled(system: System) -> list[dict[str, Any]]:
    return [item for item in system.notices() if item["state"] in {"waiting", "sending"}]


def restarted(program: Program) -> None:
    program.start()
    program.wait_ready()


def sent_once(system: System) -> bool:
    """Whether every number reached each receiver once, and the ledger knows of no other."""
    sent = {item["number"] for item in system.notices() if item["state"] == "sent"}
    for name, numbers in system.numbers().items():
        assert max(Counter(numbers).values(), default=1) == 1, (name, numbers)
        assert set(numbers) <= sent, name
    return True


def test_only_holds_are_shortened() -> None:
    shipped = (Repository.here().prometheus_rules / "fourones.yml").read_text(encoding="utf-8")
    shortened = quicker(shipped, **{"for": "1s"})
    assert shipped.count("for: 2m") == shortened.count("for: 1s") == 2
