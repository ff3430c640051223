import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fourones_shared.access.keys import KeyRecord, KeyRing, KeyState, Principal, hash_key, new_key
from fourones_shared.events.model import AccessGranted, Role

NOW = datetime(2025, 12, 8, 4, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def a_grant(key_id: str, key: str, **changes: Any) -> AccessGranted:
    return AccessGranted(
        **{
            "key_id": key_id,
            "version": 1,
            "key_hash": hash_key(key),
            "role": Role.REPORTER,
            "org": "320382",
            "issued_at": NOW - HOUR,
        }
        | changes
    )


def a_ring(**changes: Any) -> tuple[KeyRing, str]:
    key_id, key = new_key()
    ring = KeyRing()
    ring.replace([KeyRecord.of(a_grant(key_id, key, **changes))])
    return ring, key


def test_a_key_is_recognised_with_all_that_it_may() -> None:
    ring, key = a_ring(indicators=("cluster-scale",), clusters=("new-materials",))

    known = ring.recognise(key, NOW)
    assert known is not None
    assert known == Principal(
        known.key_id, Role.REPORTER, "320382", frozenset({"cluster-scale"}), frozenset({"new-materials"})
    )


def test_only_the_hash_is_kept() -> None:
    ring, key = a_ring()

    [record] = ring.records.values()
    assert record.key_hash == hashlib.sha256(key.encode()).hexdigest()
    assert key not in repr(ring)


def test_a_key_is_long_and_never_the_same() -> None:
    keys = {new_key()[1] for _ in range(100)}

    assert len(keys) == 100
    assert all(key.startswith("fo_") and len(key) > 50 for key in keys)


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda key: key[:0],
        lambda key: key[:3],
        lambda key: key[:-1],
        lambda key: key + "x",
        lambda key: key.upper(),
        lambda key: "xx" + key[2:],
        lambda key: key.removeprefix("fo_"),
        lambda key: "fo_0123456789ab_" + key.rsplit("_", 1)[1],
        lambda key: key + "密钥",
    ],
)
def test_anything_but_the_key_is_not_recognised(spoilt: Any) -> None:
    ring, key = a_ring()

    assert ring.recognise(spoilt(key), NOW) is None


def test_a_key_of_another_prefix_is_not_recognised_even_with_its_hash_on_record() -> None:
    ring = KeyRing()
    ring.replace([KeyRecord.of(a_grant("0123456789ab", "xx_0123456789ab_secret"))])

    assert ring.recognise("xx_0123456789ab_secret", NOW) is None


def test_a_key_ends_at_its_expiry() -> None:
    ring, key = a_ring(expires_at=NOW)

    assert ring.recognise(key, NOW - timedelta(microseconds=1)) is not None
    assert ring.recognise(key, NOW) is None


@pytest.mark.parametrize("ahead", [-HOUR, timedelta(0), HOUR])
def test_a_revocation_kills_the_key_at_once_whatever_the_clock_of_its_giver_says(ahead: timedelta) -> None:
    ring, key = a_ring()
    [record] = ring.records.values()
    assert ring.recognise(key, NOW) is not None

    ring.replace([KeyRecord(record.principal, record.key_hash, None, NOW + ahead)])
    assert ring.recognise(key, NOW) is None


@pytest.mark.parametrize(
    ("expires_at", "revoked_at", "state"),
    [
        (None, None, KeyState.ACTIVE),
        (NOW + HOUR, None, KeyState.EXPIRES),
        (NOW, None, KeyState.EXPIRED),
        (None, NOW, KeyState.REVOKED),
        (NOW + HOUR, NOW - HOUR, KeyState.REVOKED),
    ],
)
def test_what_has_become_of_a_key(expires_at: Any, revoked_at: Any, state: KeyState) -> None:
    ring, key = a_ring(expires_at=expires_at, revoked_at=revoked_at)
    [record] = ring.records.values()

    assert record.state(NOW) is state
    assert (ring.recognise(key, NOW) is not None) is (state in {KeyState.ACTIVE, KeyState.EXPIRES})


def test_known_and_unknown_keys_are_compared_in_the_same_way(monkeypatch: pytest.MonkeyPatch) -> None:
    ring, key = a_ring()
    compared = []
    compare = hmac.compare_digest

    def watched(one: str, other: str) -> bool:
        compared.append((len(one), len(other)))
        return compare(one, other)

    hashed = []

    def hashing(data: bytes) -> Any:
        hashed.append(len(data))
        return sha256(data)

    sha256 = hashlib.sha256
    monkeypatch.setattr(hmac, "compare_digest", watched)
    monkeypatch.setattr(hashlib, "sha256", hashing)
    wrong, unknown = key[:-1] + "~", "fo_" + "0" * 12 + key[15:]
    for tried in (key, wrong, unknown):
        ring.recognise(tried, NOW)

    assert compared == [(64, 64)] * 3
    assert hashed == [len(key)] * 3


def test_new_records_do_not_disturb_who_reads_the_old_ones() -> None:
    ring, _ = a_ring()
    before = ring.records
    key_id, key = new_key()
    ring.replace([KeyRecord.of(a_grant(key_id, key))])

    assert len(before) == 1
    assert len(ring.records) == 2


@pytest.mark.parametrize(
    ("role", "reports", "reads_everything"),
    [
        (Role.REPORTER, True, False),
        (Role.DEPARTMENT, True, False),
        (Role.COORDINATOR, False, True),
        (Role.VIEWER, False, True),
        (Role.ADMIN, False, True),
    ],
)
def test_what_a_role_may(role: Role, reports: bool, reads_everything: bool) -> None:
    principal = Principal("k", role, "320382")

    assert principal.may_report_for("320382") is reports
    assert not principal.may_report_for("320302")
    assert principal.reads_everything is reads_everything


def test_an_empty_scope_holds_all_and_a_scope_only_what_it_names() -> None:
    assert Principal("k", Role.REPORTER, "320382").admits("cluster-scale", "new-materials")

    scoped = Principal("k", Role.REPORTER, "320382", frozenset({"cluster-scale"}), frozenset({"new-materials"}))
    assert scoped.admits("cluster-scale", "new-materials")
    assert not scoped.admits("unicorns", "new-materials")
    assert not scoped.admits("cluster-scale", "quality-steel")
