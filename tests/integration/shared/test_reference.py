import asyncio
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, text
from support.records import write
from support.waiting import eventually

from fourones_local.postgres import PostgresServer
from fourones_local.process import ServerProcess
from fourones_shared.access.keys import hash_key, new_key
from fourones_shared.catalogue.model import Catalogue, Organisation, OrganisationKind
from fourones_shared.database.engine import api_engine
from fourones_shared.events.envelope import Wire, wrap
from fourones_shared.events.model import AccessGranted, CataloguePublished, EventData, Role
from fourones_shared.kafka.consumer import ConsumerLoop
from fourones_shared.reference import ReferenceCopy, ReferenceHandler, store_catalogue, store_key

NOW = datetime(2025, 12, 8, 4, 0, tzinfo=UTC)


def a_catalogue(*names: str) -> Catalogue:
    return Catalogue(
        organisations=tuple(
            Organisation(id=f"32030{n}", name=name, kind=OrganisationKind.COUNTY, source="004")
            for n, name in enumerate(names)
        )
    )


def a_version(number: int, *names: str) -> CataloguePublished:
    catalogue = a_catalogue(*(names or ("徐州市",)))
    return CataloguePublished(
        version=number,
        digest=catalogue.digest,
        published_at=NOW,
        published_by="admin",
        catalogue=catalogue.model_dump(mode="json"),
    )


def a_grant(key_id: str, key: str, **changes: Any) -> AccessGranted:
    return AccessGranted(
        **{
            "key_id": key_id,
            "version": 1,
            "key_hash": hash_key(key),
            "role": Role.REPORTER,
            "org": "320382",
            "indicators": ("cluster-scale",),
            "issued_at": NOW,
            "label": "邳州市统计科",
        }
        | changes
    )


def a_wire(data: EventData) -> Wire:
    return wrap(data, event_id=data.partition_key(), source="/fourones/submission", time=NOW)


def store(engine: Engine, *data: CataloguePublished | AccessGranted) -> None:
    with engine.begin() as connection:
        for one in data:
            if isinstance(one, CataloguePublished):
                store_catalogue(connection, one)
            else:
                store_key(connection, one)


def test_what_the_topics_say_is_soon_in_memory(engine: Engine, broker: Any, running: Any) -> None:
    broker.make("catalogue-published", "access-granted")
    loop = ConsumerLoop(
        group="reference",
        topics=["catalogue-published", "access-granted"],
        handler=ReferenceHandler(),
        engine=engine,
        bootstrap=broker.bootstrap,
        topic_prefix=broker.prefix,
    )
    copy = ReferenceCopy(engine)
    key_id, key = new_key()

    with running(loop.run), running(copy.follow):
        write(broker.bootstrap, broker.prefix, [a_wire(a_version(1, "徐州市")), a_wire(a_grant(key_id, key))])
        eventually(lambda: copy.version == 1 and copy.keys.recognise(key, NOW))
        assert copy.catalogue == a_catalogue("徐州市")

        revoked = a_grant(key_id, key, version=2, revoked_at=NOW)
        write(broker.bootstrap, broker.prefix, [a_wire(a_version(2, "徐州市", "邳州市")), a_wire(revoked)])
        eventually(lambda: copy.version == 2 and not copy.keys.recognise(key, NOW))
        assert copy.in_force == (2, a_catalogue("徐州市", "邳州市"))


def test_a_start_without_the_broker_serves_what_the_database_knows(engine: Engine) -> None:
    key_id, key = new_key()
    store(engine, a_version(3, "徐州市"), a_grant(key_id, key))
    copy = ReferenceCopy(engine)
    assert not copy.database_answers

    copy.refresh()

    assert copy.database_answers
    assert copy.version == 3
    known = copy.keys.recognise(key, NOW)
    assert known is not None
    assert (known.role, known.org, known.indicators) == (Role.REPORTER, "320382", {"cluster-scale"})


def test_of_two_versions_the_newer_is_in_force_in_whatever_order_they_come(engine: Engine) -> None:
    switches: list[tuple[int | None, int]] = []

    def switched(_: Connection, old: int | None, new: int, catalogue: Catalogue) -> None:
        assert catalogue.organisations
        switches.append((old, new))

    with engine.begin() as connection:
        for number in (1, 4, 2, 4, 5):
            store_catalogue(connection, a_version(number), switched)
        kept = connection.execute(text("SELECT version FROM catalogue_version ORDER BY version")).scalars().all()
        in_force = connection.execute(text("SELECT version FROM catalogue_in_force")).scalars().all()

    assert kept == [1, 2, 4, 5]
    assert in_force == [5]
    assert switches == [(None, 1), (1, 4), (4, 5)]


def test_an_older_record_of_a_key_changes_nothing(engine: Engine) -> None:
    key_id, key = new_key()
    granted, revoked = a_grant(key_id, key), a_grant(key_id, key, version=2, revoked_at=NOW)
    store(engine, revoked, granted, revoked)
    copy = ReferenceCopy(engine)
    copy.refresh()

    assert [record.revoked_at for record in copy.keys.records.values()] == [NOW]
    assert copy.keys.recognise(key, NOW) is None


def test_a_change_whose_number_shows_late_is_not_missed(engine: Engine) -> None:
    first, second = new_key(), new_key()
    copy = ReferenceCopy(engine)
    slow = engine.connect()
    # It has its number, and commits after one with a higher number.
    store_key(slow, a_grant(*first))
    store(engine, a_grant(*second))
    copy.refresh()
    assert copy.keys.recognise(second[1], NOW)
    slow.commit()
    slow.close()

    copy.refresh()

    assert copy.keys.recognise(first[1], NOW)


def test_a_version_that_is_asked_for_is_looked_up(engine: Engine) -> None:
    copy = ReferenceCopy(engine)
    store(engine, a_version(1))

    assert copy.known(1)
    assert not copy.known(2)


def test_it_lives_beside_an_asynchronous_engine(engine: Engine, database_url: str, running: Any) -> None:
    copy = ReferenceCopy(engine)
    key_id, key = new_key()
    store(engine, a_version(1))

    async def serve_requests() -> None:
        pool = api_engine(database_url, name="test-api", pool_size=2)
        try:
            async with pool.begin() as connection:
                assert (await connection.execute(text("SELECT 1"))).scalar_one() == 1
            store(engine, a_grant(key_id, key), a_version(2))
            while copy.version != 2 or copy.keys.recognise(key, NOW) is None:
                # Requests go on while the other thread looks.
                async with pool.connect() as connection:
                    await connection.execute(text("SELECT 1"))
        finally:
            await pool.dispose()

    with running(copy.follow):
        asyncio.run(asyncio.wait_for(serve_requests(), 30))


def test_an_outage_of_the_database_shows_and_passes(
    engine: Engine, running: Any, postgres_server: ServerProcess[PostgresServer]
) -> None:
    store(engine, a_version(1))
    copy = ReferenceCopy(engine)

    with running(copy.follow):
        eventually(lambda: copy.database_answers)
        postgres_server.kill()
        eventually(lambda: not copy.database_answers)
        assert copy.version == 1
        postgres_server.start()
        eventually(lambda: copy.database_answers)
