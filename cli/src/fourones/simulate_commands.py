"""`fourones simulate`: synthetic counties and their figures; `fourones simulate demo`: plans that show every light."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from fourones.applying import apply, in_force
from fourones.client import Api
from fourones.ending import ending
from fourones.errors import EXIT_CODES_ZH, Interrupted, Misused, Refused, Unavailable
from fourones.keyring import Keys
from fourones.options import DEFAULT_URL, Key, KeysFile, Url, WithBareWait, keys_of
from fourones.progress import Progress
from fourones.sending import Sender, Sent, broken_off, refused, tell
from fourones.simulated.catalogue import additions, joined, written
from fourones.simulated.files import FileFormat, write
from fourones.simulated.reports import last_ended, reports_of
from fourones.simulated.world import Shares, World, month_of
from fourones.simulation import Simulation, simulate
from fourones.submitting import outgoing_of
from fourones.talk import Talk
from fourones_shared.catalogue.files import load
from fourones_shared.catalogue.model import Catalogue
from fourones_shared.domain.periods import Frequency, Period, shanghai_date
from fourones_shared.errors import InvalidPeriod

HELP = """模拟数据:任意多的县、指标和年份,逐县逐月一份,全部标明「模拟」。

写成文件(--out)后用 fourones submit 文件夹 报送,或直接报送(--submit)。所需的数据字典由 --catalogue 写出,
或由 --apply 并入现行的数据字典;模拟县的密钥由管理员签发。同样的种子得到同样的数据。
"""

app = typer.Typer(help=HELP, epilog=EXIT_CODES_ZH)


@app.callback(invoke_without_command=True)
def simulated(
    context: typer.Context,
    *,
    counties: Annotated[int, typer.Option(help="多少个县", min=1, max=100_000)] = 10,
    indicators: Annotated[int, typer.Option(help="多少个指标", min=1, max=1000)] = 5,
    years: Annotated[int, typer.Option(help="多少年(含最后一个月所在的年)", min=1, max=100)] = 1,
    until: Annotated[
        str | None, typer.Option(help="最后一个月,如 2025-12;缺省为已结束的上个月", metavar="MONTH")
    ] = None,
    seed: Annotated[int, typer.Option(help="随机种子")] = 1,
    revised: Annotated[float, typer.Option(help="先报初步数、以后修订的份额", min=0, max=1)] = 0.03,
    late: Annotated[float, typer.Option(help="迟报一至两个月的份额", min=0, max=1)] = 0.05,
    missing: Annotated[float, typer.Option(help="声明缺报的份额", min=0, max=1)] = 0.01,
    out: Annotated[Path | None, typer.Option(help="写到这个文件夹", file_okay=False)] = None,
    form: Annotated[FileFormat, typer.Option("--format", help="文件的格式")] = FileFormat.JSON,
    catalogue: Annotated[Path | None, typer.Option(help="把模拟的数据字典写成这个 YAML 文件", dir_okay=False)] = None,
    put: Annotated[bool, typer.Option("--apply", help="把模拟的数据字典并入现行的并发布(管理员密钥)")] = False,
    submit: Annotated[bool, typer.Option("--submit", help="直接报送")] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
    keys: KeysFile = None,
    today: Annotated[str | None, typer.Option(help="当前日期,如 2026-03-31", metavar="DATE")] = None,
) -> None:
    """Make synthetic counties, and what they report."""
    if context.invoked_subcommand is not None:
        return
    talk: Talk = context.obj
    with ending(talk):
        if out is None and catalogue is None and not put and not submit:
            raise Misused(
                "请给出 --out、--submit、--catalogue 或 --apply / give --out, --submit, --catalogue or --apply"
            )
        day = _day(today)
        shares = Shares(*(Decimal(str(share)) for share in (revised, late, missing)))
        world = World(seed, counties, indicators, years, _last(until, day), day, shares)
        ring = keys_of(key, keys) if put or submit else Keys()
        if catalogue is not None:
            _write_catalogue(talk, world, catalogue)
        if put:
            _apply(talk, world, url, ring.key_of("admin"))
        if out is not None:
            _write(talk, world, out, form)
        if submit:
            _submit(talk, world, url, ring)


@app.command(cls=WithBareWait, help="发布演示方案并报送三年的演示数,涵盖每一种研判和灯色;全部标明【演示】。")
def demo(
    context: typer.Context,
    *,
    keys: Annotated[Path, typer.Option(help="单位和 admin 到密钥的 JSON 文件", dir_okay=False)],
    url: Url = DEFAULT_URL,
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
            receipts = [sender.send(one, key) for one, key in zip(outgoing, held, strict=True)]
            if wait:
                pairs = zip(receipts, held, strict=True)
                sender.follow([Sent(receipt.submission_id, key) for receipt, key in pairs if receipt is not None], wait)
        _summary(talk, simulation, version, day)
        if sender.refused:
            raise Refused(talk.say(f"{sender.refused} 份演示数未通过", f"{sender.refused} refused"))


def _last(until: str | None, today: date) -> Period:
    """The last month that is reported.

    Raises:
        Misused: it is no month, or has not begun: the service takes no figures of the future.
    """
    if until is None:
        return last_ended(today)
    try:
        last = Period.parse(until)
    except InvalidPeriod as error:
        raise Misused(f"{until!r} 不是月份,应如 2025-12 / is not a month") from error
    if last.frequency is not Frequency.MONTH:
        raise Misused(f"{until!r} 不是月份,应如 2025-12 / is not a month")
    if last > month_of(today):
        raise Misused(f"{until} 尚未开始 / has not begun")
    return last


def _write_catalogue(talk: Talk, world: World, file: Path) -> None:
    added = additions(world)
    # Faults are found here, not by whoever takes the file up.
    joined(None, added)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(written(added), encoding="utf-8")
    talk.tell(
        f"{file}:{world.counties} 个模拟县、{world.indicators} 个模拟指标;"
        f"发布:fourones catalogue apply 数据字典文件夹 --extra {file.parent}",
        f"{file}: {world.counties} counties, {world.indicators} indicators; "
        f"to apply: fourones catalogue apply FOLDER --extra {file.parent}",
    )


def _apply(talk: Talk, world: World, url: str, key: str) -> None:
    with Api(url, key) as api:
        applied = apply(api, joined(in_force(api).document, additions(world)))
    talk.tell(
        f"模拟的数据字典已并入,现行第 {applied.version} 版",
        f"the synthetic catalogue is in force as part of version {applied.version}",
    )


def _write(talk: Talk, world: World, folder: Path, form: FileFormat) -> None:
    count = 0
    with Progress(talk, world.counties) as progress:
        for written_now in write(world, folder, form):
            count += written_now
            progress.step()
    talk.tell(
        f"{folder}:{count} 份模拟报送;报送:fourones submit {folder}",
        f"{folder}: {count} simulated submissions; to send them: fourones submit {folder}",
    )


def _submit(talk: Talk, world: World, url: str, ring: Keys) -> None:
    # Every key is looked for before anything is sent.
    held = {county: ring.key_of(county) for county in world.county_ids}
    with Sender(url, talk, quiet=True) as sender, Progress(talk, world.counties) as progress:
        try:
            for county, key in held.items():
                for report in reports_of(world, county):
                    sender.send(outgoing_of(report.submission, report.name), key)
                progress.step()
        except KeyboardInterrupt as error:
            tell(talk, sender.tally)
            raise Interrupted(
                talk.say("已中断;原样再执行一次,已受理的不会重复", "interrupted; the same command repeats nothing")
            ) from error
        except Unavailable as error:
            tell(talk, sender.tally)
            raise broken_off(talk, error) from error
    tell(talk, sender.tally)
    if sender.refused:
        raise refused(talk, sender.tally)


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
