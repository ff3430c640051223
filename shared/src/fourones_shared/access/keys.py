"""API keys. A key is shown once; only its SHA-256 is kept, which suffices for 256 bits of randomness."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from fourones_shared.events.model import AccessGranted, Role

PREFIX = "fo"
_READERS = frozenset({Role.COORDINATOR, Role.VIEWER, Role.ADMIN})


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a request comes from: a key's record."""

    key_id: str
    role: Role
    org: str | None
    indicators: frozenset[str] = frozenset()
    clusters: frozenset[str] = frozenset()

    @property
    def reads_everything(self) -> bool:
        """Coordinators, viewers and administrators read everything but keys."""
        return self.role in _READERS

    def may_report_for(self, reporter: str) -> bool:
        """Whether it may report in that organisation's name."""
        return self.role in {Role.REPORTER, Role.DEPARTMENT} and self.org == reporter

    def admits(self, indicator: str, cluster: str) -> bool:
        """Whether its scope holds the indicator and the cluster; an empty scope holds all."""
        return (not self.indicators or indicator in self.indicators) and (not self.clusters or cluster in self.clusters)


class KeyState(StrEnum):
    """Whether a key is valid, and whether it stays so."""

    ACTIVE = "active"
    EXPIRES = "expires"
    """Valid, and it is known until when."""
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key as it is kept."""

    principal: Principal
    key_hash: str
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    @staticmethod
    def of(granted: AccessGranted) -> KeyRecord:
        """From the event's data."""
        principal = Principal(
            granted.key_id,
            granted.role,
            granted.org,
            frozenset(granted.indicators),
            frozenset(granted.clusters),
        )
        return KeyRecord(principal, granted.key_hash, granted.expires_at, granted.revoked_at)

    def state(self, now: datetime) -> KeyState:
        """What has become of it by now."""
        # Whatever moment it names: the clock of whoever revoked it may be ahead of this one.
        if self.revoked_at is not None:
            return KeyState.REVOKED
        if self.expires_at is None:
            return KeyState.ACTIVE
        return KeyState.EXPIRES if now < self.expires_at else KeyState.EXPIRED


_VALID = frozenset({KeyState.ACTIVE, KeyState.EXPIRES})


@dataclass(slots=True)
class KeyRing:
    """The keys known here, looked up by id and compared in constant time."""

    records: dict[str, KeyRecord] = field(default_factory=dict)

    def replace(self, records: Iterable[KeyRecord]) -> None:
        """Take in new or changed records."""
        self.records = self.records | {record.principal.key_id: record for record in records}

    def recognise(self, key: str, now: datetime) -> Principal | None:
        """Whose key it is; None for an unknown, wrong, expired or revoked one."""
        prefix, _, rest = key.partition("_")
        key_id, _, _ = rest.partition("_")
        record = self.records.get(key_id)
        # An unknown id takes the same comparison as a known one, so that timing tells nothing.
        expected = record.key_hash if record is not None else _NOBODYS_HASH
        matches = hmac.compare_digest(hash_key(key), expected)
        if record is None or not matches or prefix != PREFIX or record.state(now) not in _VALID:
            return None
        return record.principal


def new_key() -> tuple[str, str]:
    """A new key's id and the key itself, `fo_<id>_<secret>`; the id inside lets it be found without a search."""
    key_id = secrets.token_hex(6)
    return key_id, f"{PREFIX}_{key_id}_{secrets.token_urlsafe(32)}"


def hash_key(key: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


_NOBODYS_HASH = hash_key("")
