"""A virtual county: what it sends next, and whether what it is answered is what was intended."""

from __future__ import annotations

import json
import random
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import count
from typing import Any
from urllib.parse import urlencode

from load.county_systems.duties import Duty
from load.county_systems.ledger import Ledger
from load.county_systems.mix import MIX, NEW_FIGURES, SHARES, Kind

# What a system remembers of what it has sent.
_REMEMBERED = 4
_UNIT_OF_NO_INDICATOR = "光年"
_WEIGHTS = [share.weight for share in MIX]


@dataclass(frozen=True, slots=True)
class Call:
    """One request.

    Attributes:
        service: whose API.
        values: of the figures that count when it is accepted.
        wrong: the indexes of the figures that must be complained of, and no others.
        first: the answer that must come again.
    """

    kind: Kind
    service: str
    method: str
    path: str
    body: bytes | None = None
    idempotency_key: str | None = None
    values: Mapping[Duty, str] = field(default_factory=dict)
    wrong: frozenset[int] = frozenset()
    first: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class _Sent:
    """What was accepted, with everything that is needed to send it again."""

    body: bytes
    idempotency_key: str
    duties: Sequence[Duty]
    answer: Mapping[str, Any]


class VirtualCounty:
    """One of the systems that report for an organisation: a part of its figures is its own.

    Args:
        org: whom it reports for; many do for the same.
        duties: the organisation's, the newest period first.
        ledger: where it notes what was accepted.
        chance: draws what it does.
    """

    def __init__(self, org: str, duties: Sequence[Duty], ledger: Ledger, chance: random.Random) -> None:
        self.org = org
        self._duties = duties
        self._clusters = sorted({(duty.cell.indicator, duty.cell.cluster) for duty in duties})
        # Its own part, for what a clerk enters by hand: one indicator and cluster, in all periods.
        own = chance.choice(self._clusters)
        self._own = [duty for duty in duties if (duty.cell.indicator, duty.cell.cluster) == own]
        self._ledger = ledger
        self._chance = chance
        self._sent: deque[_Sent] = deque(maxlen=_REMEMBERED)
        self._not_applied: deque[str] = deque()
        self._numbers = count()

    def next(self) -> Call:  # noqa: PLR0911 - a kind a line
        """What it does next. What needs something that it has sent before becomes a single figure at first."""
        [share] = self._chance.choices(MIX, _WEIGHTS)
        match share.kind:
            case Kind.REPEATED if self._sent:
                return self._again(self._chance.choice(self._sent))
            case Kind.KEY_REUSED if self._sent:
                return self._key_reused(self._chance.choice(self._sent))
            case Kind.REVISION if self._sent:
                return self._figures(
                    Kind.REVISION, self._some_of(self._chance.choice(self._sent).duties, Kind.REVISION)
                )
            case Kind.WRONG:
                return self._with_faults()
            case Kind.BATCH | Kind.WHOLE:
                return self._figures(share.kind, self._some_of(self._duties, share.kind))
            case Kind.RECEIPT if self._not_applied:
                return self._get(share.kind, "submission", f"/v1/submissions/{self._not_applied[0]}")
            case Kind.OBLIGATIONS:
                period = self._any(self._own).cell.period
                return self._get(share.kind, "submission", "/v1/obligations", reporter=self.org, period=period)
            case Kind.ROLLUPS:
                cell = self._any(self._own).cell
                asked = {"indicator": cell.indicator, "cluster": cell.cluster, "period": cell.period}
                return self._get(share.kind, "aggregation", "/v1/rollups", **asked)
            case _:
                return self._figures(Kind.SINGLE, [self._any(self._own)])

    def answered(self, call: Call, status: int, body: bytes) -> str | None:  # noqa: PLR0911 - a kind a line
        """Take an answer; what is not as intended about it, None when it is."""
        intended = SHARES[call.kind].intended
        if status != intended:
            if call.kind in NEW_FIGURES and status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                self.unanswered(call)
            return f"{status} instead of {intended.value}: {body[:200].decode(errors='replace')}"
        try:
            document = json.loads(body)
        except ValueError:
            return "no JSON"
        match call.kind:
            case Kind.REPEATED:
                return None if document == call.first else "not the first answer again"
            case Kind.KEY_REUSED:
                codes = {error.get("code") for error in document.get("errors") or []}
                return None if codes == {"idempotency_key_reused"} else f"other faults than the key: {codes}"
            case Kind.WRONG:
                return _complained_of(call.wrong, document)
            case Kind.RECEIPT:
                self._receipt(document)
                return None if document["status"] != "dead_lettered" else f"dead-lettered: {document['reason']}"
            case Kind.OBLIGATIONS | Kind.ROLLUPS:
                return None if document["items"] else "nothing there"
            case _:
                return self._was_accepted(call, document)

    def unanswered(self, call: Call) -> None:
        """No answer came: nobody knows whether it was accepted."""
        self._ledger.unanswered(self.org, (duty.cell for duty in call.values))

    def _was_accepted(self, call: Call, document: Mapping[str, Any]) -> str | None:
        values = {duty.cell: value for duty, value in call.values.items()}
        self._ledger.accepted(self.org, int(document["sequence"]), values)
        if call.body is not None and call.idempotency_key is not None:
            self._sent.append(_Sent(call.body, call.idempotency_key, tuple(call.values), document))
        # Whose receipt is being asked for stays the same until it is applied.
        if len(self._not_applied) < _REMEMBERED:
            self._not_applied.append(document["submission_id"])
        expected = (self.org, len(call.values), "accepted")
        got = (document["org"], document["figures"], document["status"])
        return None if got == expected else f"{got} instead of {expected}"

    def _receipt(self, document: Mapping[str, Any]) -> None:
        # Asked for again and again until the figures count; the last one stays, so that there is one to ask for.
        done = document["status"] == "applied" and len(self._not_applied) > 1
        if done and self._not_applied[0] == document["submission_id"]:
            self._not_applied.popleft()

    def _any(self, duties: Sequence[Duty]) -> Duty:
        # Towards the newest periods, which are what a month-end is about.
        return duties[int(len(duties) * self._chance.random() ** 2)]

    def _some_of(self, duties: Sequence[Duty], kind: Kind) -> Sequence[Duty]:
        share = SHARES[kind]
        # The logarithm is evenly spread: small ones are the most frequent.
        size = round(share.fewest * (share.most / share.fewest) ** self._chance.random())
        size = min(size, len(duties))
        first = self._chance.randrange(len(duties) - size + 1) if kind is Kind.REVISION else 0
        return duties[first : first + size]

    def _figures(self, kind: Kind, duties: Sequence[Duty]) -> Call:
        values = {duty: duty.value(self._chance) for duty in duties}
        figures = [duty.figure(value) for duty, value in values.items()]
        return self._posted(kind, figures, values=values)

    def _again(self, sent: _Sent) -> Call:
        return Call(
            Kind.REPEATED, "submission", "POST", "/v1/submissions", sent.body, sent.idempotency_key, first=sent.answer
        )

    def _key_reused(self, sent: _Sent) -> Call:
        figures = [duty.figure(duty.value(self._chance)) for duty in self._some_of(self._own, Kind.REVISION)]
        return Call(Kind.KEY_REUSED, "submission", "POST", "/v1/submissions", self._body(figures), sent.idempotency_key)

    def _with_faults(self) -> Call:
        duties = self._some_of(self._duties, Kind.WRONG)
        figures = [duty.figure(duty.value(self._chance)) for duty in duties]
        wrong = self._chance.sample(range(len(figures)), self._chance.randint(1, len(figures)))
        for index in wrong:
            figures[index] |= self._chance.choice(_FAULTS)
        return self._posted(Kind.WRONG, figures, wrong=frozenset(wrong))

    def _posted(self, kind: Kind, figures: Sequence[Mapping[str, Any]], **more: Any) -> Call:
        # Not drawn from the seed: the next run would get the answers of this one.
        key = str(uuid.uuid4())
        return Call(kind, "submission", "POST", "/v1/submissions", self._body(figures), key, **more)

    def _body(self, figures: Sequence[Mapping[str, Any]]) -> bytes:
        # Numbered, so that two bodies are never the same by chance.
        people = {"prepared_by": f"负荷测试第 {next(self._numbers)} 份", "approved_by": "负荷测试"}
        return json.dumps({"org": self.org, **people, "figures": figures}, ensure_ascii=False).encode()

    def _get(self, kind: Kind, service: str, path: str, **query: str) -> Call:
        return Call(kind, service, "GET", f"{path}?{urlencode(query)}" if query else path)


# Slips of the pen, each of which spoils exactly its own figure.
_FAULTS: Sequence[Mapping[str, Any]] = (
    {"indicator": "no-such-indicator"},
    {"cluster": "no-such-cluster"},
    {"period": "2026年3月份"},
    {"value": "一百二十三"},
    {"value": None},
    {"unit": _UNIT_OF_NO_INDICATOR},
    {"status": "X"},
)


def _complained_of(wrong: frozenset[int], document: Mapping[str, Any]) -> str | None:
    pointers = [str(error.get("pointer", "")).split("/") for error in document.get("errors") or []]
    named = {int(parts[2]) for parts in pointers if len(parts) > 2 and parts[1] == "figures" and parts[2].isdigit()}
    if named == wrong:
        return None
    return f"faults of the figures {sorted(named)} were told instead of {sorted(wrong)}"
