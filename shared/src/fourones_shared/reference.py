"""Each service's own copy of the reference data: catalogue versions and key records.

`ReferenceHandler` writes what the compacted topics say into the service's database; `ReferenceCopy` holds in
memory what the database says, so that a start without the broker still serves.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import orjson
import structlog
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from fourones_shared.access.keys import KeyRecord, KeyRing
from fourones_shared.catalogue.model import Catalogue
from fourones_shared.database.engine import is_transient
from fourones_shared.errors import DeadLetter
from fourones_shared.events.envelope import Envelope, data_of
from fourones_shared.events.model import AccessGranted, CataloguePublished, EventData
from fourones_shared.kafka.consumer import Received, Refused

log = structlog.get_logger(__name__)

# A revoked key must be dead everywhere within a second of its revocation.
REFRESH_S = 0.25

Switch = Callable[[Connection, int | None, int, Catalogue], None]


class ReferenceHandler:
    """Applies `catalogue-published` and `access-granted`.

    Args:
        on_switch: called in the transaction that puts a newer catalogue version in force, with the row of the
            version in force held alone: (connection, old version or None, new version, new catalogue).
    """

    def __init__(self, on_switch: Switch | None = None) -> None:
        self._on_switch = on_switch

    def decode(self, envelope: Envelope) -> EventData:
        """Either of the two types."""
        kind = {k.TYPE: k for k in (CataloguePublished, AccessGranted)}.get(envelope.type)
        if kind is None:
            raise DeadLetter("unknown_type", envelope.type)
        return data_of(envelope, kind)

    def ready_for(self, data: EventData) -> bool:  # noqa: ARG002
        """Reference data waits for nothing."""
        return True

    def apply(self, connection: Connection, events: Sequence[Received[EventData]]) -> None:
        """Store versions and keys; what is not newer is dropped."""
        for event in events:
            if isinstance(event.data, CataloguePublished):
                store_catalogue(connection, event.data, self._on_switch)
            elif isinstance(event.data, AccessGranted):
                store_key(connection, event.data)

    def set_aside(self, connection: Connection, refused: Refused) -> None:
        """Nobody waits for it but the operators, whom the dead letter tells."""


def store_catalogue(connection: Connection, published: CataloguePublished, on_switch: Switch | None = None) -> None:
    """Keep a version and, when it is the newest, put it in force."""
    connection.execute(_STORE_VERSION, published.model_dump(mode="json") | {"document": _json(published.catalogue)})
    connection.execute(_FIRST_IN_FORCE)
    current: int = connection.execute(_LOCK_IN_FORCE).scalar_one()
    if published.version <= current:
        return
    if on_switch is not None:
        catalogue = Catalogue.model_validate(published.catalogue, extra="ignore")
        on_switch(connection, current or None, published.version, catalogue)
    connection.execute(_SET_IN_FORCE, {"version": published.version})
    log.info("catalogue in force", version=published.version, before=current)


def store_key(connection: Connection, granted: AccessGranted) -> None:
    """Keep a key's record when it is newer than the one that is here."""
    connection.execute(
        _STORE_KEY,
        granted.model_dump(mode="python")
        | {
            "role": granted.role.value,
            "indicators": _json(list(granted.indicators)),
            "clusters": _json(list(granted.clusters)),
        },
    )


@dataclass
class ReferenceCopy:
    """The catalogue in force and the keys, in memory; `refresh` asks the database what has changed.

    Reading its attributes is safe from any thread: each is replaced whole.
    """

    engine: Engine
    keys: KeyRing = field(default_factory=KeyRing)
    version: int = 0
    catalogue: Catalogue | None = None
    in_force: tuple[int, Catalogue] | None = None
    """Version and catalogue of one moment, for who needs both to belong together."""
    database_answers: bool = False
    was_read: bool = False
    """Whether the database has answered at all: until then an unknown key is not a wrong one."""
    _newest: int = 0
    _changes: Decimal = Decimal(-1)
    _refreshing: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def refresh(self) -> None:
        """Take in what is new; two small queries when nothing is."""
        # Two refreshes at once could each write back what the other has just replaced.
        with self._refreshing, self.engine.begin() as connection:
            version = connection.execute(_IN_FORCE).scalar_one_or_none() or 0
            if version != self.version:
                document = connection.execute(_DOCUMENT, {"version": version}).scalar_one()
                # What was checked when it was applied is not refused later for a field that this code does not know.
                self.catalogue = Catalogue.model_validate(document, extra="ignore")
                self.in_force = (version, self.catalogue)
                self.version = version
            newest, changes = connection.execute(_KEYS_CHANGED).one()
            if changes != self._changes:
                rows = connection.execute(_KEYS_SINCE, {"since": self._newest}).mappings()
                records = [KeyRecord.of(AccessGranted.model_validate(dict(row))) for row in rows]
                self.keys.replace(records)
                self._newest, self._changes = newest, changes
        self.database_answers = self.was_read = True

    def known(self, version: int) -> bool:
        """Whether that catalogue version, or a later one, is in force here; looks again when it is not."""
        if version > self.version:
            self.refresh()
        return version <= self.version

    def follow(self, stop: threading.Event) -> None:
        """Refresh until `stop` is set, through outages of the database."""
        while not stop.is_set():
            try:
                self.refresh()
            except DBAPIError as error:
                if not is_transient(error):
                    raise
                self.database_answers = False
            stop.wait(REFRESH_S)


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


_STORE_VERSION = text(
    "INSERT INTO catalogue_version (version, digest, document, published_at, published_by)"
    " VALUES (:version, :digest, CAST(:document AS jsonb), :published_at, :published_by) ON CONFLICT DO NOTHING"
)
_FIRST_IN_FORCE = text("INSERT INTO catalogue_in_force (singleton, version) VALUES (true, 0) ON CONFLICT DO NOTHING")
_LOCK_IN_FORCE = text("SELECT version FROM catalogue_in_force FOR UPDATE")
_SET_IN_FORCE = text("UPDATE catalogue_in_force SET version = :version")
_IN_FORCE = text("SELECT version FROM catalogue_in_force")
_DOCUMENT = text("SELECT document FROM catalogue_version WHERE version = :version")
# The sum rises with every change, also with one whose number becomes visible after a higher one.
_KEYS_CHANGED = text("SELECT coalesce(max(changed), 0), coalesce(sum(changed), 0) FROM access_key")
# A number may become visible after a higher one (transactions commit out of order); looking back a little and
# taking a record twice is harmless, missing a revocation is not.
_KEYS_SINCE = text(
    "SELECT key_id, version, key_hash, role, org, indicators, clusters, issued_at, expires_at, revoked_at, label"
    " FROM access_key WHERE changed > :since - 1000"
)
_STORE_KEY = text(
    "INSERT INTO access_key (key_id, version, key_hash, role, org, indicators, clusters, label, issued_at,"
    " expires_at, revoked_at, changed)"
    " VALUES (:key_id, :version, :key_hash, :role, :org, CAST(:indicators AS jsonb), CAST(:clusters AS jsonb),"
    " :label, :issued_at, :expires_at, :revoked_at, nextval('access_key_changed'))"
    " ON CONFLICT (key_id) DO UPDATE SET version = excluded.version, key_hash = excluded.key_hash,"
    " role = excluded.role, org = excluded.org, indicators = excluded.indicators, clusters = excluded.clusters,"
    " label = excluded.label, expires_at = excluded.expires_at, revoked_at = excluded.revoked_at,"
    " changed = nextval('access_key_changed') WHERE access_key.version < excluded.version"
)
