"""Answers for the problem list: who takes part sees their own, the office and viewers everything."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from http import HTTPStatus
from typing import Any, Literal, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from fourones_alerting.api.bodies import body_of, read_as
from fourones_alerting.api.problem_models import (
    FiguresAnswer,
    HistoryItem,
    ProblemAnswer,
    ProblemDetail,
    ProblemFigures,
    ProblemRaised,
    Reopened,
    StepExplained,
    StepTaken,
)
from fourones_alerting.domain.problem_figures import tally
from fourones_alerting.domain.problem_life import NEEDS_NOTE, OutOfOrder
from fourones_alerting.domain.problem_rights import NotAllowed, possible
from fourones_alerting.domain.problem_terms import Terms
from fourones_alerting.domain.problems import Action, Actor, Kind, Level, Origin, Problem
from fourones_alerting.domain.raising import NOT_PRINTABLE, RAISING, Proposal, fault_of_due, raised, unsafe
from fourones_alerting.problems.desk import (
    Changed,
    Done,
    KeyReused,
    NewerProblem,
    NoSuchProblem,
    Wanted,
    open_raised,
    read_done,
    take_step,
)
from fourones_alerting.problems.desk import Request as Asked
from fourones_alerting.problems.store import read_as_of, read_page
from fourones_shared.access.keys import Principal
from fourones_shared.catalogue.model import Catalogue
from fourones_shared.database.engine import async_one_state
from fourones_shared.domain.clock import Clock
from fourones_shared.domain.periods import end_of_day, shanghai_date
from fourones_shared.http.paging import Page, cut, decode_cursor
from fourones_shared.http.problems import Fault
from fourones_shared.http.problems import Problem as Refusal
from fourones_shared.reference import ReferenceCopy

# The longest texts in escapes of six bytes a character, and the rest.
LARGEST_BODY = 64 * 1024
LONGEST_IDEMPOTENCY_KEY = 200
# Ids that no database holds are not there; they need not be looked up.
LARGEST_NUMBER = 2**63 - 1

# Days beyond which no moment can be reckoned lie far outside of these.
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2999, 12, 31)

Answer = TypeVar("Answer")

BODIES: Mapping[Action, type[StepTaken | StepExplained]] = {
    action: Reopened if action is Action.REOPEN else StepExplained if action in NEEDS_NOTE else StepTaken
    for action in (
        Action.ACKNOWLEDGE,
        Action.START,
        Action.REPORT,
        Action.VERIFY,
        Action.CLOSE,
        Action.REOPEN,
        Action.ESCALATE,
    )
}
"""What each step that a key can take brings with it."""


class FiguresAsked(BaseModel):
    """What is counted."""

    model_config = ConfigDict(extra="forbid")

    by: Literal["department", "org"] = "department"
    since: date | None = Field(
        None, alias="from", ge=FIRST_DAY, le=LAST_DAY, description="the first day; absent: from the beginning"
    )
    until: date | None = Field(
        None, alias="to", ge=FIRST_DAY, le=LAST_DAY, description="the last day; absent: up to now"
    )


@dataclass(frozen=True, slots=True)
class ProblemList:
    """Answers for the list, in transactions of its own."""

    engine: AsyncEngine
    reference: ReferenceCopy
    clock: Clock
    terms: Terms

    async def opened(self, request: Request, caller: Principal, idempotency_key: str | None) -> ProblemDetail:
        """Put a problem on the list.

        Raises:
            Refusal: 403 for keys that raise none, 422 with everything that is wrong.
        """
        if caller.role not in RAISING:
            detail = f"{caller.role.value} 密钥不能提出问题：请用报送单位、责任部门或协调办公室的密钥"
            raise Refusal(HTTPStatus.FORBIDDEN, detail, errors=[_fault("caller", "role_may_not_act", detail)])
        body = await body_of(request, LARGEST_BODY)
        proposal = _proposal(read_as(body, ProblemRaised))
        by, now = _actor(caller), self.clock.now()
        found = raised(proposal, by, caller.clusters, catalogue=self._catalogue(), now=now, terms=self.terms)
        if isinstance(found, list):
            forbidden = all(fault.forbidden for fault in found)
            status = HTTPStatus.FORBIDDEN if forbidden else HTTPStatus.UNPROCESSABLE_ENTITY
            errors = [_fault(f"/{fault.field}", fault.code, fault.detail) for fault in found]
            raise Refusal(status, f"共 {len(errors)} 处有误，未立项：请按 errors 逐条修改", errors=errors)
        asked = _asked(request, by, idempotency_key, body)
        done = await self._in_transaction(lambda connection: open_raised(connection, found, asked, now))
        return self._detail(done, by)

    async def stepped(
        self, request: Request, caller: Principal, number: int, action: Action, headers: tuple[str | None, str | None]
    ) -> ProblemDetail:
        """Take a step; `headers` are If-Match and Idempotency-Key.

        Raises:
            Refusal: 403, 404, 409, 412 or 422; nothing was changed.
        """
        if_match, idempotency_key = headers
        body = await body_of(request, LARGEST_BODY)
        taken = read_as(body, BODIES[action])
        by, now = _actor(caller), self.clock.now()
        due = taken.due if isinstance(taken, Reopened) else None
        self._require_sound(taken.note, due)
        wanted = Wanted(action, taken.note, due, _versions(if_match))
        asked = _asked(request, by, idempotency_key, body)
        done = await self._in_transaction(
            lambda connection: take_step(connection, number, wanted, asked, now=now, terms=self.terms)
        )
        return self._detail(done, by)

    async def page(
        self, caller: Principal, filters: dict[str, Any], limit: int, cursor: str | None
    ) -> Page[ProblemAnswer]:
        """A page of the problems that the caller is shown, the newest first."""
        key = decode_cursor(cursor, 1)
        before = None if key is None else key[0]
        if before is not None and not (isinstance(before, int) and 0 <= before <= LARGEST_NUMBER):
            raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "cursor 无效：请原样使用上一页返回的 next")
        now = self.clock.now()
        asked = filters | {
            "today": shanghai_date(now),
            "party": None if caller.reads_everything else caller.org or "",
            "before": before,
            "limit": limit + 1,
        }
        async with self.engine.begin() as connection:
            rows = await connection.run_sync(lambda sync: read_page(sync, asked))
        items, following = cut(rows, limit, lambda problem: [problem.id])
        by = _actor(caller)
        return Page(items=[ProblemAnswer(**self._answer(problem, by)) for problem in items], next=following)

    async def one(self, caller: Principal, number: int) -> ProblemDetail:
        """One problem with its history.

        Raises:
            Refusal: 404 when there is none, or none that the caller is shown.
        """
        async with async_one_state(self.engine) as connection:
            done = await connection.run_sync(lambda sync: read_done(sync, number))
        if done is None or not _is_shown(done.problem, caller):
            raise _not_there(number)
        return self._detail(done, _actor(caller))

    async def figures(self, caller: Principal, asked: FiguresAsked) -> FiguresAnswer:
        """Figures about what the caller is shown of the list.

        Raises:
            Refusal: 422 when the last day lies before the first.
        """
        if asked.since is not None and asked.until is not None and asked.until < asked.since:
            detail = f"to {asked.until} 早于 from {asked.since}：请改正"
            raise Refusal(
                HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=[_fault("query:to", "to_before_from", detail)]
            )
        now = self.clock.now()
        ended = None if asked.until is None or end_of_day(asked.until) > now else end_of_day(asked.until)
        until = ended or now
        since = None if asked.since is None else end_of_day(asked.since) - timedelta(days=1)
        whose = _departments if asked.by == "department" else _org

        def counted(connection: Connection) -> list[ProblemFigures]:
            names = self._catalogue().organisation
            return [
                ProblemFigures(
                    org=found.org,
                    name=names[found.org].name if found.org in names else found.org,
                    opened=found.opened,
                    closed=found.closed,
                    closed_on_time=found.closed_on_time,
                    share_closed_on_time=found.share_closed_on_time,
                    open=found.open,
                    overdue=found.overdue,
                )
                for found in tally(read_as_of(connection, ended, since), whose, since, until)
                if caller.reads_everything or found.org == caller.org
            ]

        async with self.engine.begin() as connection:
            items = await connection.run_sync(counted)
        return FiguresAnswer(items=items, by=asked.by, since=asked.since, until=until)

    def known_filters(self, **orgs_and_clusters: str | None) -> None:
        """Refuse what the catalogue does not know.

        Raises:
            Refusal: 422 with every such filter.
        """
        catalogue = self._catalogue()
        faults = []
        for name, given in orgs_and_clusters.items():
            known: Mapping[str, object] = catalogue.cluster if name == "cluster" else catalogue.organisation
            if given is not None and given not in known:
                called, code = ("集群", "cluster_unknown") if name == "cluster" else ("单位", "org_unknown")
                faults.append(_fault(f"query:{name}", code, f"没有{called} {given}：请查 GET /v1/catalogue 中的编码"))
        if faults:
            raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "筛选条件有误，请按 errors 逐条修改", errors=faults)

    def _catalogue(self) -> Catalogue:
        if self.reference.catalogue is None:
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "尚未收到指标目录，请稍后再试", headers={"Retry-After": "2"})
        return self.reference.catalogue

    async def _in_transaction(self, work: Callable[[Connection], Answer]) -> Answer:
        with _refusals():
            async with self.engine.begin() as connection:
                return await connection.run_sync(work)

    def _require_sound(self, note: str | None, due: date | None) -> None:
        faults = []
        if note is not None and unsafe(note):
            faults.append(_fault("/note", "text_not_printable", NOT_PRINTABLE))
        if due is not None and (found := fault_of_due(due, self.clock.now())) is not None:
            faults.append(_fault("/due", found.code, found.detail))
        if faults:
            raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "请求有误，请按 errors 逐条修改", errors=faults)

    def _detail(self, done: Done, by: Actor) -> ProblemDetail:
        history = [
            HistoryItem(
                number=entry.number,
                action=entry.step.action.value,
                state=entry.step.state.value,
                level=entry.step.level.value,
                due=entry.step.due,
                taken_at=entry.step.taken_at,
                role=entry.step.by.role,
                org=entry.step.by.org,
                key_id=entry.step.by.key_id,
                note=entry.step.note,
                hash=entry.hash,
            )
            for entry in done.history
        ]
        return ProblemDetail(**self._answer(done.problem, by), history=history)

    def _answer(self, problem: Problem, by: Actor) -> dict[str, Any]:
        about = problem.about
        return {
            "id": problem.id,
            "version": problem.version,
            "title": about.title,
            "description": about.description,
            "kind": about.kind.value,
            "origin": about.origin.value,
            "subject": about.subject,
            "org": about.org,
            "cluster": about.cluster,
            "target": about.target,
            "plan": about.plan,
            "raised_by": about.raised_by,
            "synthetic": about.synthetic,
            "state": problem.state.value,
            "level": problem.level.value,
            "due": problem.due,
            "overdue": problem.is_overdue(self.clock.now()),
            "responsible": problem.responsible,
            "held_by": problem.held_by,
            "opened_at": problem.opened_at,
            "reached_at": problem.reached_at,
            "changed_at": problem.changed_at,
            "reported_at": problem.reported_at,
            "closed_at": problem.closed_at,
            "escalates_at": self.terms.passed_up_at(problem),
            "light_is_red": problem.light_is_red if about.origin is Origin.LIGHT else None,
            "possible": [action.value for action in possible(problem, by)],
        }


def _proposal(given: ProblemRaised) -> Proposal:
    return Proposal(
        title=given.title,
        description=given.description,
        kind=Kind(given.kind),
        subject=given.subject,
        org=given.org,
        cluster=given.cluster,
        target=given.target,
        due=given.due,
        responsible=None if given.responsible is None else tuple(given.responsible),
        level=None if given.level is None else Level(given.level),
    )


def _actor(caller: Principal) -> Actor:
    return Actor(caller.role.value, caller.org, caller.key_id)


def _is_shown(problem: Problem, caller: Principal) -> bool:
    about = problem.about
    return caller.reads_everything or (
        caller.org is not None and caller.org in {about.org, about.raised_by, *problem.responsible}
    )


def _departments(problem: Problem) -> tuple[str, ...]:
    return () if problem.level is Level.COUNTY else problem.responsible


def _org(problem: Problem) -> tuple[str, ...]:
    return () if problem.about.org is None else (problem.about.org,)


def _asked(request: Request, by: Actor, header: str | None, body: bytes) -> Asked:
    key = _idempotency_key(header)
    digest = hashlib.sha256(request.url.path.encode() + b"\n" + body).hexdigest()
    return Asked(by, key, digest)


def _idempotency_key(header: str | None) -> str | None:
    if header is None:
        return None
    key = header.strip()
    if len(key) >= 2 and key.startswith('"') and key.endswith('"'):
        key = key[1:-1]
    if not 1 <= len(key) <= LONGEST_IDEMPOTENCY_KEY or not key.isprintable():
        detail = f"Idempotency-Key 应为 1 到 {LONGEST_IDEMPOTENCY_KEY} 个可见字符，如一个 UUID"
        fault = _fault("header:Idempotency-Key", "idempotency_key_invalid", detail)
        raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=[fault])
    return key


def _versions(if_match: str | None) -> frozenset[int] | None:
    """The versions that If-Match names; None where any will do."""
    if if_match is None or if_match.strip() == "*":
        return None
    tags = [tag.strip().strip('"') for tag in if_match.split(",")]
    # What is none of our tags matches nothing; weak ones never match here (RFC 9110, 13.1.1).
    return frozenset(int(tag) for tag in tags if tag.isascii() and tag.isdigit() and len(tag) <= 18)


@contextmanager
def _refusals() -> Iterator[None]:
    """Answer the desk's refusals."""
    try:
        yield
    except NoSuchProblem as error:
        raise _not_there(int(str(error))) from error
    except NotAllowed as error:
        errors = [_fault("caller", error.code, error.detail)]
        raise Refusal(HTTPStatus.FORBIDDEN, error.detail, errors=errors) from error
    except Changed as error:
        detail = f"问题已有变动（现为第 {error.version} 版）：请重新读取后再操作"
        errors = [_fault("header:If-Match", "version_differs", detail)]
        headers = {"ETag": f'"{error.version}"'}
        raise Refusal(HTTPStatus.PRECONDITION_FAILED, detail, errors=errors, headers=headers) from error
    except OutOfOrder as error:
        raise Refusal(HTTPStatus.CONFLICT, error.detail, errors=[_fault("state", error.code, error.detail)]) from error
    except NewerProblem as error:
        detail = f"同一目标再次亮红灯，已另立问题 {error.problem}：请办理该问题，不必退回本问题"
        raise Refusal(HTTPStatus.CONFLICT, detail, errors=[_fault("state", "newer_problem_open", detail)]) from error
    except KeyReused as error:
        detail = "Idempotency-Key 已用于别的请求：新请求请换新的键"
        errors = [_fault("header:Idempotency-Key", "idempotency_key_reused", detail)]
        raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=errors) from error


def _not_there(number: int) -> Refusal:
    return Refusal(HTTPStatus.NOT_FOUND, f"没有问题 {number}，或不属于本单位：请用 GET /v1/problems 查看问题清单")


def _fault(pointer: str, code: str, detail: str) -> Fault:
    return Fault(pointer=pointer, code=code, detail=detail)
