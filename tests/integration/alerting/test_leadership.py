from sqlalchemy import text
from support.stack import NewDatabase
from support.waiting import eventually

from fourones_alerting.judging.leadership import Leadership
from fourones_shared.database.engine import worker_engine


def test_one_leads_until_it_gives_up_or_its_session_ends(new_database: NewDatabase) -> None:
    with new_database() as url:
        engine = worker_engine(url, name="test")
        one, other = Leadership(engine, "clock"), Leadership(engine, "clock")
        assert one.is_held()
        assert not other.is_held()
        assert one.is_held()
        one.give_up()
        eventually(other.is_held)
        assert not one.is_held()
        with engine.connect() as connection:
            # As when the leader's process is killed, or its host is lost.
            connection.execute(_END_THE_LEADER)
        eventually(one.is_held)
        one.give_up()
        other.give_up()
        engine.dispose()


_END_THE_LEADER = text(
    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
