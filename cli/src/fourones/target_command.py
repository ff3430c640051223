"""`fourones targets`: where every target stands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fourones.applying import in_force
from fourones.client import Api
from fourones.ending import ending
from fourones.options import Key
from fourones.standing import counts_line, table_of
from fourones.talk import Talk
from fourones_shared.catalogue.files import load
from fourones_shared.catalogue.model import Catalogue

HELP = "列出全部目标的研判:绿、黄、红、灰。"


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


def _names(folder: Path | None, submission: str | None, key: str) -> Catalogue | None:
    if folder is not None:
        return load(folder)
    if submission is None:
        return None
    with Api(submission, key) as api:
        return in_force(api).catalogue
