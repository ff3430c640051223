"""`fourones submit`: figures from files, folders or standard input, each counted once however often it is run."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from fourones.client import PATIENCE_S, Timing
from fourones.ending import ending
from fourones.errors import Interrupted, Misused, Unavailable
from fourones.journal import Journal, journal_of
from fourones.keyring import Keys
from fourones.options import DEFAULT_URL, Key, KeysFile, Url, keys_of
from fourones.progress import Progress
from fourones.reading import Format, Inputs, Unreadable
from fourones.sending import Resuming, Sender, Sent, broken_off, refused, tell
from fourones.submitting import Outgoing
from fourones.talk import Talk

HELP = """报送文件中的数:JSON、SDMX-CSV、Excel、YAML;同样内容再次报送不会重复。

文件夹(含子文件夹)按文件名次序逐份报送;中断后原样再执行一次,已受理且未改动的跳过,改动过的作为新的报送。
一份未通过不影响其他份。
"""


def submit(
    context: typer.Context,
    paths: Annotated[list[Path], typer.Argument(help="文件、文件夹,或 - (标准输入)")],
    *,
    url: Url = DEFAULT_URL,
    key: Key = None,
    keys: KeysFile = None,
    reporter: Annotated[
        str | None, typer.Option("--org", "--reporter", help="用哪个单位的密钥(--keys 时);缺省看文件内容")
    ] = None,
    form: Annotated[Format | None, typer.Option("--format", help="标准输入的格式;缺省看内容")] = None,
    wait: Annotated[float, typer.Option(help="等待汇总完成的秒数", min=0)] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只检查,不报送")] = False,
    anew: Annotated[bool, typer.Option("--anew", help="内容与以前相同也作为新的报送")] = False,
    journal: Annotated[Path | None, typer.Option(help="文件夹的报送日志;缺省在用户的状态目录", dir_okay=False)] = None,
    patience: Annotated[float, typer.Option(help="服务不可用时重试的秒数", min=0)] = PATIENCE_S,
) -> None:
    """Submit the figures of files; the same content twice counts once."""
    talk: Talk = context.obj
    with ending(talk), ExitStack() as stack:
        ring = keys_of(key, keys)
        inputs = Inputs(paths, form)
        # Every key is looked for before anything is sent.
        with Progress(talk, None if inputs.folders else 1, ("查看文件", "looking through the files")) as progress:
            total = _count(_addressed(inputs, reporter), ring, progress)
        journals = {} if dry_run else _journals(inputs, url, journal)
        for each in journals.values():
            stack.enter_context(each)
        sender = stack.enter_context(Sender(url, talk, Timing(patience=patience)))
        run = _Run(talk, sender, Resuming(sender, ring, journals, anew=anew), total, remember=wait > 0)
        if dry_run:
            run.check(_addressed(inputs, reporter), ring)
        else:
            run.send(_addressed(inputs, reporter), uuid.uuid4().hex if anew else "")
            if wait:
                sender.follow(run.sent, wait)
        if sender.refused:
            raise refused(talk, sender.tally)


class _Run:
    """One run over all there is to submit; what was done is told however it ends.

    Attributes:
        sent: what is accepted, by this run or an earlier one, where it is to be remembered.
    """

    def __init__(self, talk: Talk, sender: Sender, resuming: Resuming, total: int, *, remember: bool) -> None:
        self.sent: list[Sent] = []
        self._remember = remember
        self._talk = talk
        self._sender = sender
        self._resuming = resuming
        self._total = total

    def check(self, inputs: Iterable[Outgoing | Unreadable], ring: Keys) -> None:
        """Have everything checked, and nothing stored."""
        with self._told(dry_run=True) as progress:
            for one in inputs:
                if isinstance(one, Unreadable):
                    self._unreadable(one)
                else:
                    self._sender.send(one, ring.key_of(*one.holders), dry_run=True)
                progress.step()

    def send(self, inputs: Iterable[Outgoing | Unreadable], salt: str) -> None:
        """Send everything that is not accepted yet.

        Raises:
            Interrupted: by Ctrl-C.
            Unavailable: the service went away.
        """
        with self._told() as progress:
            self._trust()
            for one in inputs:
                if isinstance(one, Unreadable):
                    self._unreadable(one)
                else:
                    sent = self._resuming.send(one, salt)
                    if sent is not None and self._remember:
                        self.sent.append(sent)
                progress.step()

    @contextmanager
    def _told(self, *, dry_run: bool = False) -> Iterator[Progress]:
        talk, tally = self._talk, self._sender.tally
        try:
            with Progress(talk, self._total) as progress:
                yield progress
        except KeyboardInterrupt as error:
            tell(talk, tally, dry_run=dry_run)
            raise Interrupted(
                talk.say(
                    f"已中断,还有 {self._left} 份未报;原样再执行一次即从这里继续,已受理的不会重复",
                    f"interrupted, {self._left} not sent; the same command goes on from here, and repeats nothing",
                )
            ) from error
        except Unavailable as error:
            tell(talk, tally, dry_run=dry_run)
            raise broken_off(talk, error, self._left) from error
        if self._total > 1 or tally.skipped:
            tell(talk, tally, dry_run=dry_run)

    def _trust(self) -> None:
        forgotten = self._resuming.trust()
        if forgotten:
            self._talk.complain(
                self._talk.say(
                    f"服务已没有以前受理的 {forgotten} 份(可能是新建的,或从备份恢复),将重新报送",
                    f"the service does not know {forgotten} that were accepted (it is new, or restored): sent again",
                )
            )

    def _unreadable(self, file: Unreadable) -> None:
        self._sender.tally.refused.append(file.name)
        self._talk.complain(self._talk.say(f"{file.name}:读不了:{file.why}", f"{file.name} cannot be read: {file.why}"))

    @property
    def _left(self) -> int:
        tally = self._sender.tally
        return self._total - tally.accepted - tally.skipped - len(tally.refused)


def _count(inputs: Iterable[Outgoing | Unreadable], ring: Keys, progress: Progress) -> int:
    """How many there are; see that each has a key.

    Raises:
        Misused: there are none, or one has no key.
    """
    total = 0
    for one in inputs:
        total += 1
        if isinstance(one, Outgoing):
            _require_key(one, ring)
        progress.step()
    if not total:
        raise Misused("没有可报送的内容 / there is nothing to submit")
    return total


def _require_key(one: Outgoing, ring: Keys) -> None:
    if ring.only is None and not any(one.holders):
        raise Misused(
            f"{one.name}: 看不出是哪个单位的,请用 --org 指明,或用 --key / cannot tell whose it is: give --org, or --key"
        )
    try:
        ring.key_of(*one.holders)
    except Misused as error:
        raise Misused(f"{one.name}: {error}(--org 可指明用哪个单位的 / --org tells whose to use)") from error


def _addressed(inputs: Inputs, reporter: str | None) -> Iterator[Outgoing | Unreadable]:
    for one in inputs:
        yield replace(one, holders=(reporter,)) if reporter is not None and isinstance(one, Outgoing) else one


def _journals(inputs: Inputs, url: str, given: Path | None) -> dict[Path, Journal]:
    folders = inputs.folders
    if given is None:
        return {folder: Journal(journal_of(folder, url), url) for folder in folders}
    if len(folders) != 1:
        raise Misused("--journal 用于一个文件夹 / --journal is for one folder")
    return {folders[0]: Journal(given, url)}
