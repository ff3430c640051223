"""Issuing, replacing and ending API keys: the record and its event in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, text

from fourones_shared.access.keys import KeyRecord, KeyState, hash_key, new_key
from fourones_shared.catalogue.model import Catalogue, OrganisationKind
from fourones_shared.domain.clock import Clock
from fourones_shared.events.envelope import wrap
from fourones_shared.events.model import AccessGranted, Role
from fourones_shared.kafka.outbox_table import enqueue
from fourones_shared.reference import store_key
from fourones_submission.storage.acceptance import SOURCE
from fourones_submission.storage.errors import KeyEnded, UnknownKey

_ROLE_OF = {
    OrganisationKind.COUNTY: Role.REPORTER,
    OrganisationKind.ZONE: Role.REPORTER,
    OrganisationKind.DEPARTMENT: Role.DEPARTMENT,
}


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new key. It is shown this once and kept nowhere."""

    key_id: str
    key: str


@dataclass(frozen=True, slots=True)
class Rotated:
    """A key in the place of another, which is valid beside it until `old_until`."""

    issued: IssuedKey
    old_until: datetime


@dataclass(frozen=True, slots=True)
class ListedKey:
    """A key's record, and what has become of it."""

    record: AccessGranted
    state: KeyState


@dataclass(frozen=True, slots=True)
class Grant:
    """What a key is to be allowed. Empty scopes mean all."""

    role: Role
    org: str | None = None
    indicators: tuple[str, ...] = ()
    clusters: tuple[str, ...] = ()
    label: str | None = None
    valid_for: timedelta | None = None


class Keys:
    """The keys of this installation; every other service has them from its events."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def issue(self, grant: Grant) -> IssuedKey:
        """Issue a key."""
        with self._engine.begin() as connection:
            return self._issue(connection, grant)

    def issue_for_everybody(self, catalogue: Catalogue) -> dict[str, IssuedKey]:
        """Issue a key per role and one per organisation that reports, by name: the role, or the organisation's id."""
        grants = {role.value: Grant(role, label="demo") for role in (Role.ADMIN, Role.COORDINATOR, Role.VIEWER)}
        for organisation in catalogue.organisations:
            role = _ROLE_OF.get(organisation.kind)
            if role is not None:
                grants[organisation.id] = Grant(role, organisation.id, label="demo")
        with self._engine.begin() as connection:
            return {name: self._issue(connection, grant) for name, grant in grants.items()}

    def rotate(self, key_id: str, *, overlap: timedelta, valid_for: timedelta | None = None) -> Rotated:
        """Issue a key that may the same as this one, which ends after the overlap; until then both are valid.

        Args:
            key_id: of the key to be replaced.
            overlap: the time there is for putting the new key in its place.
            valid_for: of the new key; as long as the old one was issued for when None.

        Raises:
            UnknownKey: when there is none of this id.
            KeyEnded: when it is revoked or has expired: nobody uses it any more.
        """
        with self._engine.begin() as connection:
            now = self._clock.now()
            old = _living(connection, key_id, now)
            if valid_for is None and old.expires_at is not None:
                valid_for = old.expires_at - old.issued_at
            issued = self._issue(
                connection, Grant(old.role, old.org, old.indicators, old.clusters, old.label, valid_for)
            )
            until = now + overlap if old.expires_at is None else min(now + overlap, old.expires_at)
            self._change(connection, old, expires_at=until)
            return Rotated(issued, until)

    def expire(self, key_id: str, at: datetime) -> None:
        """Let a key end at a moment, earlier or later than it would have.

        Raises:
            UnknownKey: when there is none of this id.
            KeyEnded: when it has ended already: that cannot be taken back.
        """
        with self._engine.begin() as connection:
            self._change(connection, _living(connection, key_id, self._clock.now()), expires_at=at)

    def revoke(self, key_id: str) -> datetime:
        """Revoke a key and tell since when it is; revoking it again changes nothing.

        Raises:
            UnknownKey: when there is none of this id.
        """
        with self._engine.begin() as connection:
            known = _locked(connection, key_id)
            if known.revoked_at is not None:
                return known.revoked_at
            now = self._clock.now()
            self._change(connection, known, revoked_at=now)
            return now

    def listed(self) -> Sequence[ListedKey]:
        """All keys, the newest first: their records, never the keys."""
        now = self._clock.now()
        with self._engine.begin() as connection:
            records = [AccessGranted.model_validate(dict(row)) for row in connection.execute(_LIST).mappings()]
        return [ListedKey(record, KeyRecord.of(record).state(now)) for record in records]

    def _issue(self, connection: Connection, grant: Grant) -> IssuedKey:
        key_id, key = new_key()
        now = self._clock.now()
        record = AccessGranted(
            key_id=key_id,
            version=1,
            key_hash=hash_key(key),
            role=grant.role,
            org=grant.org,
            indicators=grant.indicators,
            clusters=grant.clusters,
            issued_at=now,
            expires_at=now + grant.valid_for if grant.valid_for is not None else None,
            label=grant.label,
        )
        self._tell(connection, record)
        return IssuedKey(key_id, key)

    def _change(self, connection: Connection, known: AccessGranted, **changes: datetime) -> None:
        if any(getattr(known, name) != value for name, value in changes.items()):
            self._tell(connection, known.model_copy(update={"version": known.version + 1} | changes))

    def _tell(self, connection: Connection, record: AccessGranted) -> None:
        store_key(connection, record)
        event_id = f"{record.key_id}:{record.version}"
        wire = wrap(record, event_id=event_id, source=SOURCE, time=self._clock.now())
        enqueue(connection, [wire])


def _living(connection: Connection, key_id: str, now: datetime) -> AccessGranted:
    known = _locked(connection, key_id)
    if known.revoked_at is not None:
        raise KeyEnded(f"{key_id} is revoked since {known.revoked_at.isoformat()}")
    if known.expires_at is not None and known.expires_at <= now:
        raise KeyEnded(f"{key_id} has expired at {known.expires_at.isoformat()}")
    return known


def _locked(connection: Connection, key_id: str) -> AccessGranted:
    row = connection.execute(_LOCK, {"key_id": key_id}).mappings().one_or_none()
    if row is None:
        raise UnknownKey(f"no key has the id {key_id}")
    return AccessGranted.model_validate(dict(row))


_RECORD = (
    "SELECT key_id, version, key_hash, role, org, indicators, clusters, issued_at, expires_at, revoked_at, label"
    " FROM access_key"
)
_LOCK = text(f"{_RECORD} WHERE key_id = :key_id FOR UPDATE")
_LIST = text(f"{_RECORD} ORDER BY issued_at DESC, key_id")
