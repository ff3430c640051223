"""`fourones status`: what became of submissions, the newest or those that are named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Annotated, Any

import orjson
import typer

from fourones.client import Api, Timing
from fourones.ending import ending
from fourones.errors import Refused
from fourones.options import DEFAULT_URL, AsJson, Key, KeysFile, Url, keys_of
from fourones.receipts import STATUSES, detail_of, list_of
from fourones.submitting import SETTLED, follow
from fourones.talk import Talk

HELP = "查询报送:不写回执号列出最新的,写了则逐份详细列出。"

NEWEST = 20
_PAGE = 1000


def status(
    context: typer.Context,
    submission_ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="报送回执号")] = None,
    *,
    url: Url = DEFAULT_URL,
    key: Key = None,
    keys: KeysFile = None,
    org: Annotated[str | None, typer.Option(help="只看关于这个单位的;--keys 时也用它的密钥")] = None,
    state: Annotated[str | None, typer.Option("--status", help=f"只看这种状态的:{' '.join(STATUSES)}")] = None,
    limit: Annotated[int, typer.Option(help="最多列出几份", min=1)] = NEWEST,
    wait: Annotated[float, typer.Option("--wait", "--watch", help="等待汇总完成的秒数", min=0)] = 0,
    as_json: AsJson = False,
) -> None:
    """Show what became of submissions."""
    talk: Talk = context.obj
    with ending(talk), Api(url, keys_of(key, keys).key_of(org, "viewer")) as api:
        asked = {"org": org, "status": state}
        receipts = _named(api, submission_ids) if submission_ids else _newest(api, asked, limit)
        if wait:
            receipts = _settled(api, receipts, wait)
        if as_json:
            # One that was asked for is that one, not a list of it.
            content = receipts[0] if submission_ids and len(submission_ids) == 1 else receipts
            typer.echo(orjson.dumps(content, option=orjson.OPT_INDENT_2).decode())
        elif submission_ids:
            _show(receipts, talk)
        else:
            talk.out.print(list_of(receipts, talk), highlight=False)
            talk.tell(f"共 {len(receipts)} 份", f"{len(receipts)} submission(s)")
        aside = [str(r["submission_id"]) for r in receipts if r.get("status") == "dead_lettered"]
        if submission_ids and aside:
            raise Refused(talk.say(f"已搁置,未进入汇总:{'、'.join(aside)}", f"dead-lettered: {', '.join(aside)}"))


def _named(api: Api, submission_ids: Sequence[str]) -> list[Mapping[str, Any]]:
    return [api.call("GET", f"/v1/submissions/{one}").json() for one in submission_ids]


def _newest(api: Api, asked: Mapping[str, str | None], limit: int) -> list[Mapping[str, Any]]:
    query = {name: value for name, value in asked.items() if value is not None}
    return list(islice(api.pages("/v1/submissions", query | {"limit": str(min(limit, _PAGE))}), limit))


def _settled(api: Api, receipts: Sequence[Mapping[str, Any]], seconds: float) -> list[Mapping[str, Any]]:
    timing = Timing()
    deadline = timing.now() + seconds
    return [
        receipt
        if receipt.get("status") in SETTLED
        else follow(api, str(receipt["submission_id"]), deadline, timing).answer
        for receipt in receipts
    ]


def _show(receipts: Sequence[Mapping[str, Any]], talk: Talk) -> None:
    for place, receipt in enumerate(receipts):
        if place:
            talk.out.print()
        talk.out.print(detail_of(receipt, talk), highlight=False)
        if receipt.get("warnings"):
            talk.tell("待核实:", "warnings:")
            talk.show_faults(receipt["warnings"], talk.out)
