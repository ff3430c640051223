"""`fourones submit`, `fourones status` and `fourones targets`."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Self

import orjson
import typer
from typer.core import TyperCommand

from fourones.applying import in_force
from fourones.client import Api, Problem, Timing
from fourones.ending import ending, show_problem
from fourones.errors import Refused
from fourones.keyring import Keys
from fourones.standing import counts_line, table_of
from fourones.submitting import Outgoing, Receipt, follow, read_outgoing, send
from fourones.talk import Talk
from fourones_shared.catalogue.files import load
from fourones_shared.catalogue.model import Catalogue

# Half a minute is what a restarting worker takes to catch up.
DEFAULT_WAIT_S = 60.0

Url = Annotated[str, typer.Option(envvar="FOURONES_URL", help="报送服务地址")]
Key = Annotated[str | None, typer.Option(envvar="FOURONES_KEY", help="密钥", show_default=False)]


class WithBareWait(TyperCommand):
    """Lets `--wait` stand without a number."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Give a bare `--wait` its default."""
        spelt = list(args)
        for place, argument in enumerate(args):
            following = args[place + 1] if place + 1 < len(args) else ""
            if argument == "--wait" and not _is_number(following):
                spelt[place] = f"--wait={DEFAULT_WAIT_S:g}"
        return super().parse_args(ctx, spelt)


def install(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command(cls=WithBareWait, help="报送文件中的数;同样内容再次报送不会重复。")(submit)
    app.command(help="查询一次报送的回执。")(status)
    app.command(help="列出全部目标的研判:绿、黄、红、灰。")(targets)


def submit(
    context: typer.Context,
    paths: Annotated[list[Path], typer.Argument(help="YAML、JSON、SDMX-CSV、xlsx 文件,或文件夹")],
    *,
    url: Url = "http://127.0.0.1:8001",
    key: Key = None,
    keys: Annotated[Path | None, typer.Option(help="单位到密钥的 JSON 文件", dir_okay=False)] = None,
    reporter: Annotated[str | None, typer.Option(help="用哪个单位的密钥(--keys 时)")] = None,
    wait: Annotated[float, typer.Option(help="等待汇总完成的秒数", min=0)] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只检查,不报送")] = False,
    anew: Annotated[bool, typer.Option("--anew", help="内容与以前相同也作为新的报送")] = False,
) -> None:
    """Submit the figures of files; the same content twice counts once."""
    talk: Talk = context.obj
    with ending(talk):
        ring = Keys.of(None if keys is not None else key, keys)
        outgoing = [_addressed(one, reporter) for one in read_outgoing(paths)]
        # Every key is looked for before anything is sent.
        held = [ring.key_of(*one.holders) for one in outgoing]
        salt = uuid.uuid4().hex if anew else ""
        with Sender(url, talk) as sender:
            sent = [
                sender.send(one, held_key, dry_run=dry_run, salt=salt)
                for one, held_key in zip(outgoing, held, strict=True)
            ]
            if wait and not dry_run:
                sender.follow([receipt for receipt in sent if receipt is not None], wait)
        if sender.refused:
            raise Refused(talk.say(f"{sender.refused} 份未通过", f"{sender.refused} refused"))


def status(
    context: typer.Context,
    submission_id: Annotated[str, typer.Argument(metavar="ID", help="报送回执号")],
    url: Url = "http://127.0.0.1:8001",
    key: Key = None,
) -> None:
    """Show what became of a submission."""
    talk: Talk = context.obj
    with ending(talk):
        with Api(url, key or "") as api:
            answer = api.call("GET", f"/v1/submissions/{submission_id}").json()
        typer.echo(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode())
        if answer.get("status") == "dead_lettered":
            raise Refused(str(answer.get("reason") or "dead_lettered"))


def targets(
    context: typer.Context,
    *,
    url: Annotated[str, typer.Option(envvar="FOURONES_ALERTING_URL", help="预警服务地址")] = "http://127.0.0.1:8003",
    key: Key = None,
    plan: Annotated[str | None, typer.Option(help="只看一个方案")] = None,
    catalogue: Annotated[Path | None, typer.Option(help="数据字典文件夹,用于名称", file_okay=False)] = None,
    submission: Annotated[str | None, typer.Option(help="报送服务地址,用于名称")] = None,
) -> None:
    """Show where every target stands."""
    talk: Talk = context.obj
    with ending(talk):
        names = _names(catalogue, submission, key or "")
        query = {"limit": "1000"} | ({"plan": plan} if plan else {})
        with Api(url, key or "") as api:
            items = list(api.pages("/v1/assessments", query))
        talk.out.print(table_of(items, names, talk), highlight=False)
        talk.out.print(counts_line(items, talk), markup=False, highlight=False)


class Sender:
    """Sends submissions one after the other, each with its key, and tells about each.

    Attributes:
        refused: how many the service did not take.
    """

    def __init__(self, url: str, talk: Talk, timing: Timing | None = None, *, quiet: bool = False) -> None:
        self.refused = 0
        self._url = url
        self._talk = talk
        self._timing = timing or Timing()
        self._quiet = quiet
        self._apis: dict[str, Api] = {}
        self._held: dict[str, str] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def send(self, outgoing: Outgoing, key: str, *, dry_run: bool = False, salt: str = "") -> Receipt | None:
        """Send one; None when it is refused, which is shown and counted."""
        talk = self._talk
        try:
            receipt = send(self._api(key), outgoing, dry_run=dry_run, salt=salt)
        except Problem as problem:
            self.refused += 1
            show_problem(talk, problem, outgoing.name)
            return None
        self._held[receipt.submission_id] = key
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

    def follow(self, receipts: Sequence[Receipt], seconds: float) -> None:
        """Wait until all are applied.

        Raises:
            Unavailable: not all are, after so many seconds.
        """
        deadline = self._timing.now() + seconds
        for receipt in receipts:
            api = self._api(self._held[receipt.submission_id])
            settled = follow(api, receipt.submission_id, deadline, self._timing)
            if settled.status == "dead_lettered":
                self.refused += 1
                self._talk.complain(f"{receipt.submission_id}: dead_lettered {settled.reason}")
        if receipts and not self.refused:
            self._talk.tell(f"{len(receipts)} 份已全部汇总", f"all {len(receipts)} applied")

    def _api(self, key: str) -> Api:
        if key not in self._apis:
            self._apis[key] = self._stack.enter_context(Api(self._url, key, timing=self._timing))
        return self._apis[key]


def _addressed(outgoing: Outgoing, reporter: str | None) -> Outgoing:
    return outgoing if reporter is None else replace(outgoing, holders=(reporter,))


def _names(folder: Path | None, submission: str | None, key: str) -> Catalogue | None:
    if folder is not None:
        return load(folder)
    if submission is None:
        return None
    with Api(submission, key) as api:
        return in_force(api).catalogue


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdecimal()
