from __future__ import annotations

import threading

from integration.shared.dead_letters.letters import GROUP, PREFIX, refused, the_letters
from sqlalchemy import Engine, text
from support.waiting import eventually

from fourones_shared.dead_letters.keeping import Keeper, Kept
from fourones_shared.dead_letters.stored import Selection


def test_the_limit_is_exact_however_many_set_aside_at_once(engine: Engine) -> None:
    keeper = Keeper(PREFIX + GROUP, 5)
    kept: list[Kept] = []
    # The group's row is there already, as it is after the first dead letter of all.
    the_letters(engine).allow(by="lin", why="beginning")

    def another_worker() -> None:
        with engine.begin() as connection:
            kept.append(keeper.keep(connection, [refused(n, partition=4) for n in range(10, 13)]))

    thread = threading.Thread(target=another_worker)
    with engine.begin() as connection:
        first = keeper.keep(connection, [refused(n) for n in range(4)])
        thread.start()
        eventually(lambda: _waits_for_a_lock(engine))
    thread.join(30)

    assert (len(first.set_aside), first.waiting) == (4, {})
    (second,) = kept
    assert [one.offset for one in second.set_aside] == [10]
    assert {place: one.offset for place, one in second.waiting.items()} == {(second.set_aside[0].topic, 4): 11}
    assert len(the_letters(engine).numbers(Selection())) == 5


def test_a_group_does_not_use_up_the_limit_of_another(engine: Engine) -> None:
    with engine.begin() as connection:
        Keeper(PREFIX + "another", 3).keep(connection, [refused(n) for n in range(3)])
        kept = Keeper(PREFIX + GROUP, 3).keep(connection, [refused(n, offset=n) for n in range(10, 13)])
    assert len(kept.set_aside) == 3


def test_past_the_limit_every_partition_waits_at_its_first(engine: Engine) -> None:
    records = [refused(n, offset=offset, partition=place) for n, (place, offset) in enumerate([(1, 5), (1, 6), (2, 9)])]
    with engine.begin() as connection:
        kept = Keeper(PREFIX + GROUP, 0).keep(connection, records)
    assert kept.set_aside == []
    assert {place[1]: one.offset for place, one in kept.waiting.items()} == {1: 5, 2: 9}


def _waits_for_a_lock(engine: Engine) -> bool:
    with engine.connect() as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        return bool(connection.execute(text(query)).scalar_one())
