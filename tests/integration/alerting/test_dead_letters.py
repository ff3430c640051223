"""A roll-up or catalogue that could not be applied: replayed, it is judged as if it had come just now."""

import json
import os
import subprocess
import sys

import pytest
from integration.alerting.service import Service
from support.waiting import eventually
from unit.alerting.builders import NOW, SMES_TARGET, a_catalogue, a_rollup, a_target

from fourones_alerting import bootstrap
from fourones_shared.dead_letters.keeping import Keeper, Refused
from fourones_shared.dead_letters.resolving import Fate
from fourones_shared.dead_letters.stored import Selection, State
from fourones_shared.errors import DeadLetter, Retry
from fourones_shared.events.envelope import wrap
from fourones_shared.events.model import CataloguePublished


def test_a_repaired_roll_up_is_judged_at_once(service: Service) -> None:
    with service.worker():
        service.publisher.publish(a_rollup("20"))
        eventually(lambda: service.verdicts().get(SMES_TARGET) == "off_track")
        service.publisher.publish(a_rollup("50", version=10**30))
        eventually(lambda: service.rows("SELECT FROM dead_letter"))
        with bootstrap.dead_letters(service.settings, service.clock) as letters:
            (number,) = letters.numbers(Selection(state=State.WAITING))
            assert letters.replay(number, by="lin").fate is Fate.REFUSED
            assert service.verdicts()[SMES_TARGET] == "off_track"

            mended = a_rollup("50", version=2).model_dump_json().encode()
            letters.repair(number, value=mended, by="lin", why="no version is as high")
            assert letters.replay(number, by="lin").fate is Fate.REPLAYED
            assert service.verdicts()[SMES_TARGET] == "on_track"
            # What comes late changes nothing that is newer.
            service.publisher.publish(a_rollup("60", version=3))
            eventually(lambda: service.rows("SELECT FROM rollup_version WHERE version = 3"))
            assert letters.replay(number, by="lin").fate is Fate.BEFORE
    assert service.rows("SELECT max(version) FROM rollup_latest")[0][0] == 3


def test_a_catalogue_that_is_replayed_is_judged_by(service: Service) -> None:
    with service.worker():
        service.publisher.publish(a_rollup("20"))
        eventually(lambda: service.verdicts().get(SMES_TARGET) == "off_track")
        # As a release has left it that could not apply it.
        lower = a_catalogue(targets=[a_target(value="40")]).model_dump(mode="json")
        event = CataloguePublished(version=2, digest="2", published_at=NOW, published_by="test", catalogue=lower)
        wire = wrap(event, event_id="catalogue:2", source="/fourones/submission", time=NOW)
        prefix = service.settings.topic_prefix
        refusal = DeadLetter("unexpected_error", "KeyError")
        refused = Refused(prefix + wire.topic, 0, 99, wire.key, wire.value, wire.headers, refusal)
        with service.engine.begin() as connection:
            Keeper(f"{prefix}alerting-reference", 100).keep(connection, [refused])
        with bootstrap.dead_letters(service.settings, service.clock) as letters:
            (number,) = letters.numbers(Selection(state=State.WAITING))
            assert letters.replay(number, by="lin").fate is Fate.REPLAYED
    assert service.verdicts() == {SMES_TARGET: "on_track"}


def test_nothing_is_replayed_before_the_worker_has_read_everything(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    with service.worker():
        service.publisher.publish(a_rollup("50", version=10**30))
        eventually(lambda: service.rows("SELECT FROM dead_letter"))
    service.publisher.publish(a_rollup("20"))
    monkeypatch.setattr(bootstrap, "CAUGHT_UP_WITHIN_S", 0)
    with bootstrap.dead_letters(service.settings, service.clock) as letters:
        (number,) = letters.numbers(Selection(state=State.WAITING))
        with pytest.raises(Retry, match="start it"):
            letters.replay(number, by="lin")
    assert service.rows("SELECT state FROM dead_letter")[0].state == "waiting"


def test_the_commands_belong_to_the_services_own(service: Service) -> None:
    environment = os.environ | {"FOURONES_DATABASE_URL": service.settings.database_url}
    done = subprocess.run(
        [sys.executable, "-m", "fourones_alerting", "deadletters", "list", "--json"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == {"items": [], "next": None}
