"""Taking a submission in: read it, check it, store it, or say everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from typing import Any

import structlog
from anyio import CapacityLimiter, to_thread
from fastapi import Request
from fastapi.responses import Response

from fourones_shared.access.keys import Principal
from fourones_shared.domain.clock import Clock
from fourones_shared.http.problems import Fault as PublicFault
from fourones_shared.http.problems import Problem
from fourones_shared.tracing import annotate, current_traceparent, names
from fourones_submission.api.bodies import BODY_TIMEOUT_S, ContentType, body_of, content_type_of, not_parseable
from fourones_submission.api.models import SubmissionAccepted, SubmissionChecked
from fourones_submission.domain.checking import Checked, check, codes
from fourones_submission.domain.draft import Draft, Fault
from fourones_submission.domain.locking import locked, series_of
from fourones_submission.domain.plausibility import Doubtful, compared_with, doubts, unanswered
from fourones_submission.domain.terms import Terms
from fourones_submission.formats import CHARSETS, COMPRESSED, READERS, VERSIONS, reader_of
from fourones_submission.formats.errors import Unreadable
from fourones_submission.metrics import FAULTS, FIGURES, SUBMISSIONS, WARNINGS, Outcome
from fourones_submission.storage.acceptance import Acceptance, Accepted, Sent
from fourones_submission.storage.errors import EventTooLarge, KeyBusy, KeyReused, NothingToWithdraw
from fourones_submission.storage.figures import Figures
from fourones_submission.storage.locks import Locks
from fourones_submission.terms_in_force import TermsInForce

log = structlog.get_logger(__name__)

# Checking this much takes tens of milliseconds: in a thread, so that small submissions are not kept waiting.
CHECKED_IN_A_THREAD_BYTES = 128 * 1024
DOUBTED_IN_A_THREAD_FIGURES = 500
# Threads share the interpreter with the event loop: more than these would keep everybody waiting, and gain nothing.
CHECKED_AT_ONCE = 2
LONGEST_IDEMPOTENCY_KEY = 255


@dataclass(frozen=True, slots=True)
class Verdict:
    """Everything there is to say about a submission before it is stored."""

    draft: Draft
    checked: Checked
    faults: Sequence[Fault]
    doubtful: Sequence[Doubtful] = ()

    @property
    def warnings(self) -> list[dict[str, Any]]:
        """The doubts as they are answered and kept: place, code, detail."""
        return [
            {name: part for name, part in asdict(self.draft.locate(doubt.figure, "value")).items() if part is not None}
            | {"code": doubt.doubt.value, "detail": doubt.detail}
            for doubt in self.doubtful
        ]


@dataclass(frozen=True, slots=True)
class Posting:
    """Answers `POST /v1/submissions`."""

    acceptance: Acceptance
    figures: Figures
    locks: Locks
    terms: TermsInForce
    clock: Clock
    max_body_bytes: int
    body_timeout_s: float = BODY_TIMEOUT_S
    checking: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(CHECKED_AT_ONCE))

    def __post_init__(self) -> None:
        """Let every outcome be counted from nought: a rate begins with a series' second sample."""
        for outcome in Outcome:
            SUBMISSIONS.labels(outcome)

    async def answer(
        self, request: Request, caller: Principal, *, idempotency_key: str | None, dry_run: bool
    ) -> Response:
        """202 with the receipt's beginning, 200 for a dry run.

        Raises:
            Problem: with everything that is wrong.
        """
        key = _idempotency_key(idempotency_key)
        content_type = content_type_of(request, READERS, charsets=CHARSETS, versions=VERSIONS)
        body = await body_of(request, self.max_body_bytes, timeout_s=self.body_timeout_s)
        in_force = self.terms.now()
        draft, checked = await self._checked(body, content_type, in_force, caller)
        verdict = await self._judged(draft, checked, in_force)
        if dry_run:
            return await self._dry_run(verdict, in_force)
        people = draft.prepared_by, draft.approved_by
        sent = Sent(body, content_type.media_type, caller.org or "", caller.key_id, *people, key, verdict.warnings)
        try:
            return _accepted(await self._accept(sent, verdict, in_force), caller)
        except NothingToWithdraw as error:
            raise _refusal(error.faults, draft, in_force) from error
        except KeyBusy as error:
            detail = "同一个 Idempotency-Key 的请求正在处理:请稍后用同样的内容重试"
            raise Problem(HTTPStatus.CONFLICT, detail, headers={"Retry-After": "1"}) from error
        except KeyReused as error:
            raise _key_reused(error) from error
        except EventTooLarge as error:
            detail = f"内容过大:生成的消息有 {error.size} 字节,上限为 {error.limit} 字节,请分几次报送或缩短说明"
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail) from error

    async def _checked(
        self, body: bytes, sent_as: ContentType, terms: Terms, caller: Principal
    ) -> tuple[Draft, Checked]:
        def work() -> tuple[Draft, Checked]:
            draft = reader_of(sent_as.media_type, sent_as.charset)(body)
            return draft, check(draft, terms, caller, self.clock.now())

        try:
            if sent_as.media_type in COMPRESSED or len(body) > CHECKED_IN_A_THREAD_BYTES:
                return await to_thread.run_sync(work, limiter=self.checking)
            return work()
        except Unreadable as error:
            SUBMISSIONS.labels(Outcome.REFUSED).inc()
            FAULTS.labels("not_parseable").inc()
            raise not_parseable(error.detail, error.line, error.column) from error

    async def _judged(self, draft: Draft, checked: Checked, terms: Terms) -> Verdict:
        """What the database has to say: locked periods, and what the figures look like beside those before them."""
        if checked.faults:
            return Verdict(draft, checked, checked.faults)
        faults = list(locked(checked, terms, await self.locks.decisions(series_of(checked)), self.clock.now()))
        known = await self.figures.values(compared_with(checked, terms))
        if len(checked.figures) > DOUBTED_IN_A_THREAD_FIGURES:
            doubtful = await to_thread.run_sync(doubts, checked, terms, known, limiter=self.checking)
        else:
            doubtful = doubts(checked, terms, known)
        faults += unanswered(checked, terms, doubtful)
        return Verdict(draft, checked, tuple(sorted(faults, key=lambda f: f.figure or 0)), doubtful)

    async def _accept(self, sent: Sent, verdict: Verdict, terms: Terms) -> Accepted:
        if not verdict.faults:
            return await self.acceptance.accept(sent, verdict.checked, terms.version, current_traceparent())
        earlier = await self.acceptance.answered_before(sent)
        if earlier is None:
            raise _refusal(verdict.faults, verdict.draft, terms, forbidden=verdict.checked.forbidden)
        return earlier

    async def _dry_run(self, verdict: Verdict, terms: Terms) -> Response:
        checked = verdict.checked
        if verdict.faults:
            raise _refusal(verdict.faults, verdict.draft, terms, forbidden=checked.forbidden)
        try:
            await self.acceptance.dry_run(checked)
        except NothingToWithdraw as error:
            raise _refusal(error.faults, verdict.draft, terms) from error
        SUBMISSIONS.labels(Outcome.CHECKED).inc()
        answer = SubmissionChecked(org=checked.org, figures=len(checked.figures), warnings=verdict.warnings)
        return Response(answer.model_dump_json(exclude_none=True), media_type="application/json")


def _accepted(accepted: Accepted, caller: Principal) -> Response:
    SUBMISSIONS.labels(Outcome.REPEATED if accepted.repeated else Outcome.ACCEPTED).inc()
    annotate(
        {
            names.SUBMISSION_ID: accepted.submission_id,
            names.ORGANISATION: accepted.org,
            names.FIGURES: accepted.figures,
        }
    )
    log.info(
        "submission repeated" if accepted.repeated else "submission accepted",
        submission_id=accepted.submission_id,
        org=accepted.org,
        figures=accepted.figures,
        sequence=accepted.sequence,
        warnings=len(accepted.warnings),
        key_id=caller.key_id,
    )
    if not accepted.repeated:
        FIGURES.inc(accepted.figures)
        for warning in accepted.warnings:
            WARNINGS.labels(warning["code"]).inc()
    answer = SubmissionAccepted.model_validate(accepted, from_attributes=True)
    return Response(
        answer.model_dump_json(exclude_none=True),
        HTTPStatus.ACCEPTED,
        headers={"Location": f"/v1/submissions/{accepted.submission_id}"},
        media_type="application/json",
    )


def _refusal(faults: Sequence[Fault], draft: Draft, terms: Terms, *, forbidden: bool = False) -> Problem:
    SUBMISSIONS.labels(Outcome.FORBIDDEN if forbidden else Outcome.REFUSED).inc()
    for code, count in codes(faults).items():
        FAULTS.labels(code).inc(count)
    if forbidden:
        return Problem(HTTPStatus.FORBIDDEN, "超出本密钥的权限,全部未接收:请看 errors", errors=_public(faults, draft))
    detail = f"共 {len(faults)} 处有误,全部未接收:请按 errors 逐条修改后整份重报(数据字典第 {terms.version} 版)"
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=_public(faults, draft))


def _key_reused(error: KeyReused) -> Problem:
    detail = f"这个 Idempotency-Key 已用于另一份内容({error.submission_id}):新内容请换一个新的键"
    fault = PublicFault(pointer="header:Idempotency-Key", code="idempotency_key_reused", detail=detail)
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=[fault])


def _public(faults: Iterable[Fault], draft: Draft) -> list[PublicFault]:
    return [PublicFault(**asdict(draft.place_of(fault)), code=fault.code, detail=fault.detail) for fault in faults]


def _idempotency_key(header: str | None) -> str | None:
    if header is None:
        return None
    key = header.strip()
    if len(key) >= 2 and key.startswith('"') and key.endswith('"'):
        key = key[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    if not 1 <= len(key) <= LONGEST_IDEMPOTENCY_KEY or not key.isprintable():
        detail = f"Idempotency-Key 应为 1 到 {LONGEST_IDEMPOTENCY_KEY} 个可见字符,如一个 UUID"
        fault = PublicFault(pointer="header:Idempotency-Key", code="idempotency_key_invalid", detail=detail)
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=[fault])
    return key
