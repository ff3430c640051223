"""`fourones obligations` and `fourones template`: what is to be reported, and the workbook to report it in."""

from __future__ import annotations

import os
import secrets
import sys
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Annotated

import orjson
import typer

from fourones.client import Api
from fourones.duties import STATES, Counts, table_of
from fourones.ending import ending
from fourones.errors import Misused
from fourones.options import DEFAULT_URL, AsJson, Key, KeysFile, Url, keys_of
from fourones.talk import Talk

OBLIGATIONS_HELP = "列出应报、已报、逾期、缺报的数和期限。"
TEMPLATE_HELP = "下载一个单位一个报告期的 Excel 填报表,填好后用 fourones submit 报送。"

# A county's month is some dozens; more on a screen is read by nobody.
MOST_LINES = 500

_PAGE = "1000"
Org = Annotated[str | None, typer.Option(help="数据所属单位;--keys 时也用它的密钥")]
Reporter = Annotated[str | None, typer.Option(help="有报送责任的单位;--keys 时用它的密钥")]


def obligations(
    context: typer.Context,
    *,
    url: Url = DEFAULT_URL,
    key: Key = None,
    keys: KeysFile = None,
    org: Org = None,
    reporter: Reporter = None,
    period: Annotated[str | None, typer.Option(help="报告期,如 2026-03")] = None,
    state: Annotated[str | None, typer.Option(help=f"只列这种状态的:{' '.join(STATES)}")] = None,
    limit: Annotated[int, typer.Option(help="最多列出几行;合计总是全部", min=0)] = MOST_LINES,
    as_json: AsJson = False,
) -> None:
    """Show what is owed, by whom and by when, with how many are due, overdue and late."""
    talk: Talk = context.obj
    with ending(talk):
        if state is not None and state not in STATES:
            raise Misused(f"没有状态 {state!r},应为 / is no state, use one of: {', '.join(STATES)}")
        with Api(url, keys_of(key, keys).key_of(reporter, org, "viewer")) as api:
            asked = {"org": org, "reporter": reporter, "period": period}
            query = {name: value for name, value in asked.items() if value is not None}
            counts = Counts(datetime.now(UTC))
            items = counts.counting(api.pages("/v1/obligations", query | {"limit": _PAGE}))
            wanted = (item for item in items if state is None or item.get("state") == state)
            if as_json:
                typer.echo(orjson.dumps(list(wanted), option=orjson.OPT_INDENT_2).decode())
                return
            shown = list(islice(wanted, limit))
            left = sum(1 for _ in wanted)
        talk.out.print(table_of(shown, talk), highlight=False)
        if left:
            talk.tell(f"另有 {left} 行:--limit 可多列", f"{left} more lines: --limit lists more")
        talk.out.print(counts.line(talk), markup=False, highlight=False, soft_wrap=True)


def template(
    context: typer.Context,
    *,
    org: Annotated[str, typer.Option(help="数据所属单位")],
    period: Annotated[str, typer.Option(help="报告期,如 2026-03")],
    reporter: Reporter = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="存为;- 为标准输出;缺省 单位-报告期.xlsx", dir_okay=False)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="已有同名文件也覆盖")] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
    keys: KeysFile = None,
) -> None:
    """Download the workbook for one organisation and period."""
    talk: Talk = context.obj
    with ending(talk):
        place = output or Path(f"{org}-{period.replace('/', '-')}.xlsx")
        to_screen = place == Path("-")
        if not to_screen and place.exists() and not force:
            # It may be filled in already.
            raise Misused(f"{place}: 已存在,要覆盖请加 --force / is there already; --force overwrites it")
        query = {"org": org, "period": period} | ({"reporter": reporter} if reporter is not None else {})
        with Api(url, keys_of(key, keys).key_of(reporter, org, "viewer")) as api:
            content = api.call("GET", "/v1/template.xlsx", params=query).content
        if to_screen:
            sys.stdout.buffer.write(content)
            return
        _write(place, content)
        talk.tell(f"已存为 {place},填好后:fourones submit {place}", f"{place}; filled in: fourones submit {place}")


def _write(place: Path, content: bytes) -> None:
    """Whole or not at all."""
    beside = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
    try:
        beside.write_bytes(content)
        os.replace(beside, place)  # noqa: PTH105 - one step on every system
    finally:
        beside.unlink(missing_ok=True)
