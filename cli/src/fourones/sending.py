"""Sending many submissions: each with its key, telling about each, going on after a break."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple, Self

from fourones.client import Api, Problem, Timing
from fourones.ending import show_problem
from fourones.errors import Misused, Refused, Unavailable
from fourones.journal import Journal, Settled
from fourones.keyring import Keys
from fourones.submitting import Outgoing, Receipt, follow, send, status_of
from fourones.talk import Talk

# Enough to find them by; a thousand names on one line help nobody.
NAMES_TOLD = 10


class Sent(NamedTuple):
    """An accepted submission's id, and the key that may ask for it."""

    submission_id: str
    key: str


@dataclass(slots=True)
class Tally:
    """What has become of the submissions so far.

    Attributes:
        skipped: accepted by an earlier run, with the same content.
        refused: names of those that the service, or reading them, refused.
        unwritten: accepted, but the journal could not be written.
    """

    accepted: int = 0
    figures: int = 0
    warnings: int = 0
    skipped: int = 0
    refused: list[str] = field(default_factory=list)
    unwritten: str = ""


class Sender:
    """Sends submissions one after the other, each with its key, and tells about each."""

    def __init__(self, url: str, talk: Talk, timing: Timing | None = None, *, quiet: bool = False) -> None:
        self.tally = Tally()
        self._url = url
        self._talk = talk
        self._timing = timing or Timing()
        self._quiet = quiet
        self._api: Api | None = None
        self._invalid: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._api is not None:
            self._api.__exit__(None, None, None)

    @property
    def refused(self) -> int:
        """How many the service did not take."""
        return len(self.tally.refused)

    def send(self, outgoing: Outgoing, key: str, *, dry_run: bool = False, salt: str = "") -> Receipt | None:
        """Send one; None when it is refused, which is shown and counted.

        With a key that was found to be invalid nothing more is sent.
        """
        talk = self._talk
        if key in self._invalid:
            self.tally.refused.append(outgoing.name)
            return None
        try:
            receipt = send(self._with(key), outgoing, dry_run=dry_run, salt=salt)
        except Problem as problem:
            self.tally.refused.append(outgoing.name)
            show_problem(talk, problem, outgoing.name)
            if problem.status == HTTPStatus.UNAUTHORIZED:
                self._invalid.add(key)
            return None
        self.tally.accepted += 1
        self.tally.figures += receipt.figures
        self.tally.warnings += len(receipt.warnings)
        if not self._quiet:
            done = talk.say("检查通过" if dry_run else "已受理", "checked" if dry_run else "accepted")
            count = talk.say(f"{receipt.figures} 个数", f"{receipt.figures} figure(s)")
            talk.out.print(
                f"{outgoing.name}  {receipt.org}  {count}  {done}  {receipt.submission_id}".rstrip(),
                markup=False, highlight=False, soft_wrap=True,
            )  # fmt: skip
        if receipt.warnings:
            talk.complain(talk.say(f"{outgoing.name}:已受理,但请核实", f"{outgoing.name}: accepted, but please verify"))
            talk.show_faults(receipt.warnings)
        return receipt

    def is_known(self, submission_id: str, key: str) -> bool:
        """Whether the service has a submission that was accepted earlier."""
        try:
            status_of(self._with(key), submission_id)
        except Problem as problem:
            # A key that is not valid (any more) tells nothing about the submission.
            return problem.status != HTTPStatus.NOT_FOUND
        return True

    def follow(self, sent: Sequence[Sent], seconds: float) -> None:
        """Wait until all are applied.

        Raises:
            Unavailable: not all are, after so many seconds.
        """
        deadline = self._timing.now() + seconds
        for submission_id, key in sent:
            settled = follow(self._with(key), submission_id, deadline, self._timing)
            if settled.status == "dead_lettered":
                self.tally.refused.append(submission_id)
                self._talk.complain(f"{submission_id}: dead_lettered {settled.reason}")
        if sent and not self.refused:
            self._talk.tell(f"{len(sent)} 份已全部汇总", f"all {len(sent)} applied")

    def _with(self, key: str) -> Api:
        # Thousands of keys share a few connections.
        if self._api is None:
            self._api = Api(self._url, key, timing=self._timing)
        return self._api.bearing(key)


class Resuming:
    """Skips what a folder's journal knows as accepted, and writes down what is accepted now.

    Args:
        sender: sends.
        ring: has the keys.
        journals: by folder; a submission of no folder is always sent.
        anew: send again what is accepted already.
    """

    def __init__(self, sender: Sender, ring: Keys, journals: dict[Path, Journal], *, anew: bool = False) -> None:
        self._sender = sender
        self._ring = ring
        self._journals = journals
        self._anew = anew

    def trust(self) -> int:
        """Hold the journals against the service; returns how many lines it does not know any more."""
        if self._anew:
            return 0
        return sum(journal.trust(self._is_known) for journal in self._journals.values())

    def send(self, outgoing: Outgoing, salt: str = "") -> Sent | None:
        """Send one, or skip what an earlier run has sent; None when it is refused."""
        journal = self._journals.get(outgoing.folder) if outgoing.folder is not None else None
        key = self._ring.key_of(*outgoing.holders)
        before = journal.last(outgoing.name) if journal is not None else None
        if before is not None and not self._anew:
            if before.digest == outgoing.digest:
                self._sender.tally.skipped += 1
                return Sent(before.submission_id, key)
            # What was accepted under this name since: content that returns to an earlier state is a submission of
            # its own, and not a repetition of the earlier one.
            salt = f"-{before.submission_id}"
        receipt = self._sender.send(outgoing, key, salt=salt)
        if receipt is None:
            return None
        if journal is not None:
            self._note(journal, outgoing, receipt)
        return Sent(receipt.submission_id, key)

    def _note(self, journal: Journal, outgoing: Outgoing, receipt: Receipt) -> None:
        try:
            journal.write(outgoing, receipt)
        except OSError as error:
            # It is accepted all the same; the next run sends it again and gets the same answer.
            self._sender.tally.unwritten = f"{journal.path}: {error.strerror or error}"

    def _is_known(self, settled: Settled) -> bool:
        try:
            key = self._ring.key_of(*settled.holders)
        except Misused:
            return False
        return self._sender.is_known(settled.submission_id, key)


def tell(talk: Talk, tally: Tally, *, dry_run: bool = False) -> None:
    """What has been done, in one line, and what the person has to know besides."""
    done_zh, done_en = ("检查通过", "checked") if dry_run else ("已受理", "accepted")
    zh = [f"{done_zh} {tally.accepted} 份({tally.figures} 个数)"]
    en = [f"{done_en} {tally.accepted} ({tally.figures} figures)"]
    if tally.skipped:
        zh.append(f"跳过 {tally.skipped} 份(以前已受理且内容未变,要重新报送请加 --anew)")
        en.append(f"skipped {tally.skipped} (accepted before, unchanged; --anew sends them again)")
    if tally.warnings:
        zh.append(f"待核实 {tally.warnings} 处")
        en.append(f"{tally.warnings} warning(s)")
    if tally.refused:
        zh.append(f"未通过 {len(tally.refused)} 份")
        en.append(f"refused {len(tally.refused)}")
    talk.tell("合计:" + ",".join(zh), "in all: " + ", ".join(en))
    if tally.unwritten:
        talk.complain(
            talk.say(
                f"报送日志写不进去({tally.unwritten});已受理的不受影响,再次执行会原样重报",
                f"the journal cannot be written ({tally.unwritten}); what is accepted stays; a second run repeats it",
            )
        )


def refused(talk: Talk, tally: Tally) -> Refused:
    """How a command ends that some submissions did not pass."""
    names = talk.say("、", ", ").join(tally.refused[:NAMES_TOLD]) + ("…" if len(tally.refused) > NAMES_TOLD else "")
    count = len(tally.refused)
    return Refused(talk.say(f"{count} 份未通过:{names}", f"{count} refused: {names}"))


def broken_off(talk: Talk, error: Unavailable, left: int | None = None) -> Unavailable:
    """How a command ends when the service went away in the middle."""
    zh = "" if left is None else f";还有 {left} 份未报,已受理的不会重复"
    en = "" if left is None else f"; {left} not sent, what was accepted is not repeated"
    return Unavailable(talk.say(f"{error}{zh}", f"{error}{en}"))
