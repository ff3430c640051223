"""Issuing and revoking API keys: the record and its event in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, text

from fourones_shared.access.keys import hash_key, new_key
from fourones_shared.catalogue.model import Catalogue, OrganisationKind
from fourones_shared.domain.clock import Clock
from fourones_shared.events.envelope import wrap
from fourones_shared.events.model import AccessGranted, Role
from fourones_shared.kafka.outbox_table import enqueue
from fourones_shared.reference import store_key
from fourones_submission.storage.acceptance import SOURCE
from fourones_submission.storage.errors import UnknownKey

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

    def revoke(self, key_id: str) -> datetime:
        """Revoke a key and tell since when it is; revoking it again changes nothing.

        Raises:
            UnknownKey: when there is none of this id.
        """
        with self._engine.begin() as connection:
            row = connection.execute(_LOCK, {"key_id": key_id}).mappings().one_or_none()
            if row is None:
                raise UnknownKey(f"no key has the id {key_id}")
            known = AccessGranted.model_validate(dict(row))
            if known.revoked_at is not None:
                return known.revoked_at
            now = self._clock.now()
            self._tell(connection, known.model_copy(update={"version": known.version + 1, "revoked_at": now}))
            return now

    def listed(self) -> Sequence[Row[Any]]:
        """All keys, the newest first: their records, never the keys."""
        with self._engine.connect() as connection:
            return connection.execute(_LIST).all()

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

    def _tell(self, connection: Connection, record: AccessGranted) -> None:
        store_key(connection, record)
        event_id = f"{record.key_id}:{record.version}"
        wire = wrap(record, event_id=event_id, source=SOURCE, time=self._clock.now())
        enqueue(connection, [wire])


_LOCK = text(
    "SELECT key_id, version, key_hash, role, org, indicators, clusters, issued_at, expires_at, revoked_at, label"
    " FROM access_key WHERE key_id = :key_id FOR UPDATE"
)
_LIST = text(
    "SELECT key_id, role, org, indicators, clusters, label, issued_at, expires_at, revoked_at"
    " FROM access_key ORDER BY issued_at DESC, key_id"
)
