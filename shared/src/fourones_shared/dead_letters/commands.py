"""`deadletters`: the commands with which the operators of a service look at dead letters and resolve them.

Every service adds them to its own command. Exit codes: 0 when all was done, 1 when something was not, 2 wrong usage.
"""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import date, datetime, time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import structlog
import typer
from sqlalchemy.exc import DBAPIError

from fourones_shared.database.engine import is_transient
from fourones_shared.dead_letters import showing
from fourones_shared.dead_letters.refusing import first_line
from fourones_shared.dead_letters.resolving import DeadLetters, Fate, Replay
from fourones_shared.dead_letters.stored import Selection, State
from fourones_shared.domain.clock import SHANGHAI
from fourones_shared.errors import Rejected, Retry

Opened = Callable[[], AbstractContextManager[DeadLetters]]


class Shown(StrEnum):
    """What `list` shows."""

    WAITING = State.WAITING
    REPLAYED = State.REPLAYED
    DISCARDED = State.DISCARDED
    ALL = "all"


def _moment(words: str) -> datetime:
    try:
        if len(words) == len("2026-06-30"):
            return datetime.combine(date.fromisoformat(words), time(), SHANGHAI)
        moment = datetime.fromisoformat(words)
    except ValueError as error:
        raise typer.BadParameter(f"{words} is neither a date nor a moment") from error
    if moment.tzinfo is None:
        raise typer.BadParameter(f"{words} lacks the time zone, such as +08:00")
    return moment


Number = Annotated[int, typer.Argument(help="its number, as `list` shows it")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON, for scripts")]
Topic = Annotated[str | None, typer.Option(help="of this topic only")]
Reason = Annotated[str | None, typer.Option(help="with this code only, such as bad_data")]
Since = Annotated[
    datetime | None,
    typer.Option(parser=_moment, metavar="MOMENT", help="since 2026-06-30 (Shanghai) or 2026-06-30T12:00:00+08:00"),
]
Why = Annotated[str, typer.Option("--reason", help="why, for the record")]
By = Annotated[str | None, typer.Option(envvar="FOURONES_OPERATOR", help="who does it; the system's user if absent")]


def dead_letter_commands(opened: Opened) -> typer.Typer:
    """The commands, on the dead letters that `opened` gives for the time of one command."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        help="Look at records that could not be applied; repair, replay, discard.",
    )
    app.callback()(_log_to_standard_error)
    _add_looking(app, opened)
    _add_replaying(app, opened)
    _add_deciding(app, opened)
    return app


def _add_looking(app: typer.Typer, opened: Opened) -> None:
    @app.command("list")
    def list_letters(  # noqa: PLR0917 - typer makes options of them
        state: Annotated[Shown, typer.Option(help="where they stand")] = Shown.WAITING,
        topic: Topic = None,
        reason: Reason = None,
        since: Since = None,
        containing: Annotated[str | None, typer.Option(help="whose value has this text, such as an id")] = None,
        limit: Annotated[int, typer.Option(min=1, max=1000, help="how many")] = 50,
        before: Annotated[int | None, typer.Option(help="only lower numbers: the next page")] = None,
        as_json: AsJson = False,
    ) -> None:
        """List dead letters, the newest first; * marks those that are repaired."""
        with _telling_why_not(), opened() as letters:
            selection = Selection(
                state=None if state is Shown.ALL else State(state),
                topic=None if topic is None else letters.topic(topic),
                reason=reason,
                since=since,
                containing=None if containing is None else containing.encode(),
            )
            found = letters.find(selection, limit=limit + 1, before=before)
            more = found[limit - 1].dead_letter_id if len(found) > limit else None
            if as_json:
                items = [showing.document_of(letter) for letter in found[:limit]]
                typer.echo(json.dumps({"items": items, "next": more}, ensure_ascii=False))
                return
            _show_table(showing.COLUMNS, [showing.line_of(letter) for letter in found[:limit]])
            if more is not None:
                typer.echo(f"there are more: --before {more}")
            _tell_limits(letters)

    @app.command()
    def show(
        number: Number,
        value: Annotated[bool, typer.Option("--value", help="print nothing but the value, for a file to edit")] = False,
        original: Annotated[bool, typer.Option("--original", help="with --value: as it came")] = False,
        as_json: AsJson = False,
    ) -> None:
        """Show one in full: headers, contents, reason, and what was done with it."""
        with _telling_why_not(), opened() as letters:
            letter, steps = letters.read(number)
        if value:
            sys.stdout.buffer.write((letter.original if original else letter.value) or b"")
            sys.stdout.flush()
        elif as_json:
            typer.echo(json.dumps(showing.document_in_full(letter, steps), ensure_ascii=False))
        else:
            for line in showing.in_full(letter, steps):
                typer.echo(line)


def _add_replaying(app: typer.Typer, opened: Opened) -> None:
    @app.command()
    def replay(  # noqa: PLR0917 - typer makes options of them
        numbers: Annotated[list[int] | None, typer.Argument(help="their numbers, as `list` shows them")] = None,
        everything: Annotated[bool, typer.Option("--all", help="all that wait, the oldest first")] = False,
        topic: Topic = None,
        reason: Reason = None,
        since: Since = None,
        by: By = None,
    ) -> None:
        """Apply them again, each in a transaction of its own; once applied, doing so again changes nothing."""
        if bool(numbers) == everything:
            raise typer.BadParameter("name dead letters, or all that wait with --all")
        if numbers and (topic or reason or since):
            raise typer.BadParameter("--topic, --reason and --since go with --all")
        with _telling_why_not(), opened() as letters:
            of = None if topic is None else letters.topic(topic)
            selection = Selection(state=State.WAITING, topic=of, reason=reason, since=since)
            chosen = letters.numbers(selection) if everything else numbers or []
            undone = [number for number in chosen if not _replay(letters, number, _who(by))]
        if everything or len(chosen) > 1:
            typer.echo(f"{len(chosen) - len(undone)} of {len(chosen)} applied")
        raise typer.Exit(1 if undone else 0)

    @app.command()
    def repair(  # noqa: PLR0917 - typer makes options of them
        number: Number,
        why: Why,
        value: Annotated[Path | None, typer.Option(help="file with the new value, or - for standard input")] = None,
        header: Annotated[list[str] | None, typer.Option(help="NAME=VALUE, as often as needed")] = None,
        replay_it: Annotated[bool, typer.Option("--replay/--no-replay", help="replay it at once")] = True,
        by: By = None,
    ) -> None:
        """Replace what is wrong with it, keeping the original, and replay it.

        Get the value with `show NUMBER --value > FILE` and edit that. What the record is about must stay the same.
        """
        if value is None and not header:
            raise typer.BadParameter("say what to replace: --value FILE or --header NAME=VALUE")
        new, headers, who = _contents(value), _headers(header or []), _who(by)
        with _telling_why_not(), opened() as letters:
            before, _ = letters.read(number)
            letters.repair(number, value=new, headers=headers, by=who, why=why)
            if new is not None:
                for line in showing.changes(before.value, new):
                    typer.echo(line)
            typer.echo(f"{number} repaired")
            done = not replay_it or _replay(letters, number, who)
        raise typer.Exit(0 if done else 1)


def _add_deciding(app: typer.Typer, opened: Opened) -> None:
    @app.command()
    def discard(
        numbers: Annotated[list[int], typer.Argument(help="their numbers, as `list` shows them")],
        why: Why,
        by: By = None,
    ) -> None:
        """Resolve them without applying them. The rows stay; the receipt of a submission stays dead-lettered."""
        undone = 0
        with _telling_why_not(), opened() as letters:
            for number in numbers:
                try:
                    letters.discard(number, by=_who(by), why=why)
                except Rejected as error:
                    undone += 1
                    typer.echo(str(error), err=True)
                else:
                    typer.echo(f"{number} discarded")
        raise typer.Exit(1 if undone else 0)

    @app.command()
    def allow(
        why: Why,
        groups: Annotated[
            list[str] | None, typer.Argument(help="consumer groups; all of the service if absent")
        ] = None,
        by: By = None,
    ) -> None:
        """Let consumers that wait at the limit of dead letters go on, counting anew from now."""
        with _telling_why_not(), opened() as letters:
            for group in letters.allow(groups or (), by=_who(by), why=why):
                typer.echo(f"{group} may set aside another {letters.limit} within an hour")


def _replay(letters: DeadLetters, number: int, who: str) -> bool:
    try:
        done = letters.replay(number, by=who)
    except Rejected as error:
        typer.echo(str(error), err=True)
        return False
    typer.echo(f"{number} {_told(done)}", err=done.fate in {Fate.REFUSED, Fate.NOT_YET})
    return done.fate in {Fate.REPLAYED, Fate.BEFORE}


def _told(done: Replay) -> str:
    if done.fate is Fate.NOT_YET:
        return "must wait: what it needs (a catalogue version) has not reached this service; replay it later"
    return done.fate.value if done.refusal is None else f"{done.fate.value}: {showing.plain(str(done.refusal))}"


def _tell_limits(letters: DeadLetters) -> None:
    for count in letters.counts():
        if count.counted >= letters.limit:
            since = count.waiting_since
            waits = "the next one waits" if since is None else f"records wait since {showing.moment(since)}"
            typer.echo(
                f"{count.group} is at its limit, {count.counted} within an hour: {waits} until some of these are "
                "resolved, or `allow` lets it go on",
                err=True,
            )


def _contents(path: Path | None) -> bytes | None:
    if path is None:
        return None
    if str(path) == "-":
        return sys.stdin.buffer.read()
    try:
        return path.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{path}: {error.strerror}") from error


def _headers(given: Sequence[str]) -> dict[str, str]:
    headers = {}
    for one in given:
        name, separator, value = one.partition("=")
        if not name or not separator:
            raise typer.BadParameter(f"{one} is not NAME=VALUE")
        headers[name] = value
    return headers


def _who(by: str | None) -> str:
    if by:
        return by
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container's user may have no name.
        return "unknown"


def _show_table(header: showing.Line, lines: Sequence[showing.Line]) -> None:
    widths = [max(len(line[n]) for line in (header, *lines)) for n in range(len(header))]
    for line in (header, *lines):
        typer.echo("  ".join(part.ljust(width) for part, width in zip(line, widths, strict=True)).rstrip())


@contextmanager
def _telling_why_not() -> Iterator[None]:
    try:
        yield
    except (Rejected, Retry) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    except DBAPIError as error:
        if not is_transient(error):
            raise
        typer.echo(f"the database is away: {first_line(error)}", err=True)
        raise typer.Exit(1) from error


def _log_to_standard_error() -> None:
    # Standard output is for what was asked.
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
