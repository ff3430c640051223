from datetime import date
from typing import Any

import pytest
from unit.alerting.builders import CITY, CLUSTER, COUNTY, DEPARTMENT, NOW, OTHER_DEPARTMENT, SMES_TARGET, a_catalogue
from unit.alerting.problem_builders import GXJ, OFFICE, PIZHOU

from fourones_alerting.domain.problem_terms import Terms
from fourones_alerting.domain.problems import Actor, Kind, Level
from fourones_alerting.domain.raising import Fault, Proposal, Raised, raised, unsafe


def proposed(by: Actor = PIZHOU, clusters: frozenset[str] = frozenset(), **changes: Any) -> Raised | list[Fault]:
    given: dict[str, Any] = {"title": "用地", "description": "未落实", "kind": Kind.PROJECT, "subject": "二期"}
    proposal = Proposal(**given | changes)
    return raised(proposal, by, clusters, catalogue=a_catalogue(), now=NOW, terms=Terms())


def answered_by(by: Actor, **changes: Any) -> tuple[Level, tuple[str, ...], str | None]:
    found = proposed(by, **changes)
    assert isinstance(found, Raised), found
    return found.level, found.responsible, found.about.org


def refused(by: Actor = PIZHOU, clusters: frozenset[str] = frozenset(), **changes: Any) -> list[tuple[str, str, bool]]:
    found = proposed(by, clusters, **changes)
    assert isinstance(found, list), found
    return [(fault.field, fault.code, fault.forbidden) for fault in found]


@pytest.mark.parametrize(
    ("by", "changes", "expected"),
    [
        (PIZHOU, {}, (Level.COUNTY, (), COUNTY)),
        (PIZHOU, {"cluster": CLUSTER}, (Level.DEPARTMENT, (DEPARTMENT,), COUNTY)),
        (PIZHOU, {"cluster": CLUSTER, "level": Level.COUNTY}, (Level.COUNTY, (DEPARTMENT,), COUNTY)),
        (PIZHOU, {"target": SMES_TARGET}, (Level.DEPARTMENT, (OTHER_DEPARTMENT, DEPARTMENT), COUNTY)),
        (GXJ, {}, (Level.DEPARTMENT, (DEPARTMENT,), None)),
        (GXJ, {"org": COUNTY}, (Level.DEPARTMENT, (DEPARTMENT,), COUNTY)),
        (OFFICE, {"org": COUNTY}, (Level.COUNTY, (), COUNTY)),
        # The office's word outweighs what would follow.
        (
            OFFICE,
            {"org": CITY, "cluster": CLUSTER, "responsible": (OTHER_DEPARTMENT,) * 2},
            (Level.DEPARTMENT, (OTHER_DEPARTMENT,), None),
        ),
    ],
)
def test_who_answers(by: Actor, changes: dict[str, Any], expected: tuple[Level, tuple[str, ...], str | None]) -> None:
    assert answered_by(by, **changes) == expected


def test_a_target_brings_its_plan_and_its_name() -> None:
    found = proposed(kind=Kind.TARGET, target=SMES_TARGET, subject=None)

    assert isinstance(found, Raised)
    assert (found.about.plan, found.about.subject) == ("clusters-2026", "科技型中小企业入库数")
    assert found.due == date(2026, 6, 19)


@pytest.mark.parametrize(
    ("by", "changes", "expected"),
    [
        (OFFICE, {}, ("responsible", "responsible_missing", False)),
        (PIZHOU, {"level": Level.DEPARTMENT}, ("responsible", "responsible_missing", False)),
        (GXJ, {"level": Level.COUNTY}, ("level", "level_needs_county", False)),
        (PIZHOU, {"org": "320381"}, ("org", "org_not_yours", True)),
        (Actor("reporter", "320399", "key"), {}, ("org", "org_unknown", False)),
        (PIZHOU, {"due": date.max}, ("due", "due_too_far", False)),
    ],
)
def test_what_is_refused(by: Actor, changes: dict[str, Any], expected: tuple[str, str, bool]) -> None:
    assert refused(by, **changes) == [expected]


def test_a_key_raises_within_its_clusters() -> None:
    assert refused(clusters=frozenset({"others"}), cluster=CLUSTER) == [("cluster", "outside_key_scope", True)]
    assert isinstance(proposed(clusters=frozenset({CLUSTER}), cluster=CLUSTER), Raised)


@pytest.mark.parametrize(
    ("text", "expected"), [("a\x00b", True), ("\ud800", True), ("一\n二\t三", False), ("👍", False)]
)
def test_what_no_database_keeps_is_unsafe(text: str, expected: bool) -> None:
    assert unsafe(text) is expected
