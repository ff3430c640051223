"""`fourones catalogue check` and `fourones catalogue apply`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from fourones.applying import apply as put_in_force
from fourones.client import Api
from fourones.ending import ending
from fourones.talk import Talk
from fourones_shared.catalogue.faults import CatalogueHasFaults, Fault
from fourones_shared.catalogue.files import read_folders
from fourones_shared.catalogue.model import Catalogue
from fourones_shared.catalogue.reported import check_reported

app = typer.Typer(help="数据字典:检查与发布。", no_args_is_help=True)

_NAMES = {
    "organisations": ("单位", "organisations"),
    "clusters": ("集群", "clusters"),
    "pillars": ("四个一", "pillars"),
    "plans": ("方案", "plans"),
    "indicators": ("指标", "indicators"),
    "targets": ("目标", "targets"),
    "peers": ("对标值", "peers"),
    "sources": ("来源", "sources"),
}
Folder = Annotated[Path, typer.Argument(exists=True, file_okay=False, help="数据字典文件夹")]
Extra = Annotated[list[Path] | None, typer.Option(exists=True, file_okay=False, help="再并入的文件夹,可多次")]


@app.command(help="检查文件夹中的数据字典和已报送数,列出全部错误。")
def check(
    context: typer.Context,
    folder: Folder,
    extra: Extra = None,
    as_json: Annotated[bool, typer.Option("--json", help="输出 JSON")] = False,
) -> None:
    """Check a folder's catalogue and reported figures, and show all faults."""
    talk: Talk = context.obj
    catalogue, figures, faults = _read(folder, extra)
    if as_json:
        typer.echo(orjson.dumps(_report(catalogue, figures, faults), option=orjson.OPT_INDENT_2).decode())
        raise typer.Exit(1 if faults else 0)
    with ending(talk):
        if faults or catalogue is None:
            raise CatalogueHasFaults(faults)
        counts = [(talk.say(*names), len(getattr(catalogue, section))) for section, names in _NAMES.items()]
        listed = ", ".join(f"{name} {count}" for name, count in [*counts, (talk.say("已报送数", "figures"), figures)])
        talk.tell(f"数据字典无误:{listed}", f"the catalogue is sound: {listed}")


@app.command(help="检查数据字典并发布为新版本;内容未变则不产生新版本。")
def apply(
    context: typer.Context,
    folder: Folder,
    extra: Extra = None,
    url: Annotated[str, typer.Option(envvar="FOURONES_URL", help="报送服务地址")] = "http://127.0.0.1:8001",
    key: Annotated[str, typer.Option(envvar="FOURONES_KEY", help="管理员密钥", show_default=False)] = "",
) -> None:
    """Check a catalogue and put it in force; unchanged content makes no new version."""
    talk: Talk = context.obj
    with ending(talk):
        catalogue, faults = read_folders(folder, *(extra or ()))
        if faults or catalogue is None:
            raise CatalogueHasFaults(faults)
        with Api(url, key) as api:
            applied = put_in_force(api, catalogue)
        if applied.changed:
            talk.tell(f"已发布数据字典第 {applied.version} 版", f"catalogue version {applied.version} is in force")
        else:
            talk.tell(
                f"内容未变,仍为第 {applied.version} 版",
                f"unchanged: version {applied.version} stays in force",
            )


def _read(folder: Path, extra: list[Path] | None) -> tuple[Catalogue | None, int, list[Fault]]:
    catalogue, faults = read_folders(folder, *(extra or ()))
    figures = 0
    # Figures are only held against a catalogue that is sound.
    if catalogue is not None and not faults:
        figures, faults = check_reported(catalogue, folder)
    return catalogue, figures, faults


def _report(catalogue: Catalogue | None, figures: int, faults: list[Fault]) -> dict[str, Any]:
    counts = {} if catalogue is None else {section: len(getattr(catalogue, section)) for section in _NAMES}
    return {
        "sound": not faults,
        "digest": None if faults or catalogue is None else catalogue.digest,
        "counts": counts | {"figures": figures},
        "faults": [
            {
                "file": fault.file,
                "line": fault.line,
                "pointer": fault.pointer,
                "code": fault.code,
                "zh": fault.describe("zh"),
                "en": fault.describe("en"),
            }
            for fault in faults
        ],
    }
