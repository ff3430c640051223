"""`fourones simulate demo`: synthetic plans and figures, applied and posted."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from fourones.applying import apply, in_force
from fourones.client import Api
from fourones.ending import ending
from fourones.errors import Misused, Refused
from fourones.figure_commands import Sender, WithBareWait
from fourones.keyring import Keys
from fourones.simulation import Simulation, simulate
from fourones.submitting import outgoing_of
from fourones.talk import Talk
from fourones_shared.catalogue.files import load
from fourones_shared.catalogue.model import Catalogue
from fourones_shared.domain.periods import shanghai_date

app = typer.Typer(help="演示数据。", no_args_is_help=True)


@app.callback(help="演示数据。")
def group() -> None:
    """Keep `demo` a subcommand: others may follow."""


@app.command(cls=WithBareWait, help="发布演示方案并报送三年的演示数,涵盖每一种研判和灯色;全部标明【演示】。")
def demo(
    context: typer.Context,
    *,
    keys: Annotated[Path, typer.Option(help="单位和 admin 到密钥的 JSON 文件", dir_okay=False)],
    url: Annotated[str, typer.Option(envvar="FOURONES_URL", help="报送服务地址")] = "http://127.0.0.1:8001",
    catalogue: Annotated[
        Path | None, typer.Option(help="数据字典文件夹;缺省取现行的数据字典", exists=True, file_okay=False)
    ] = None,
    today: Annotated[str | None, typer.Option(help="演示的当前日期,如 2026-03-31", metavar="DATE")] = None,
    seed: Annotated[int, typer.Option(help="随机种子")] = 1,
    wait: Annotated[float, typer.Option(help="等待汇总完成的秒数", min=0)] = 0,
) -> None:
    """Apply the synthetic plans and post three years of figures, in which every verdict and light occurs."""
    talk: Talk = context.obj
    with ending(talk):
        day = _day(today)
        ring = Keys.of(None, keys)
        with Api(url, ring.key_of("admin")) as api:
            real = load(catalogue) if catalogue is not None else _in_force(api)
            simulation = simulate(real, day, seed)
            outgoing = [outgoing_of(s, f"demo {s.reporter} #{n}") for n, s in enumerate(simulation.submissions, 1)]
            held = [ring.key_of(*one.holders) for one in outgoing]
            version = apply(api, simulation.catalogue).version
        with Sender(url, talk, quiet=True) as sender:
            sent = [sender.send(one, key) for one, key in zip(outgoing, held, strict=True)]
            if wait:
                sender.follow([receipt for receipt in sent if receipt is not None], wait)
        _summary(talk, simulation, version, day)
        if sender.refused:
            raise Refused(talk.say(f"{sender.refused} 份演示数未通过", f"{sender.refused} refused"))


def _in_force(api: Api) -> Catalogue:
    real = in_force(api).catalogue
    if real is None:
        raise Misused("尚未发布数据字典,请先执行 fourones catalogue apply / apply a catalogue first")
    return real


def _day(text: str | None) -> date:
    if text is None:
        return shanghai_date(datetime.now(UTC))
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Misused(f"{text!r} 不是日期,应如 2026-03-31 / is not a date") from error


def _summary(talk: Talk, simulation: Simulation, version: str, day: date) -> None:
    figures = sum(len(submission.figures) for submission in simulation.submissions)
    count = len(simulation.submissions)
    verdicts = ", ".join(f"{name} {n}" for name, n in sorted(Counter(simulation.expected.values()).items()))
    talk.tell(
        f"演示数据(截至 {day},数据字典第 {version} 版):{count} 份、{figures} 个数;预期研判 {verdicts}",
        f"demonstration data (as of {day}, catalogue {version}): {count} submissions, {figures} figures; {verdicts}",
    )
