"""Receipts as people read them: a list of the newest, and one in every detail."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from fourones.talk import Talk
from fourones_shared.domain.clock import SHANGHAI

Answer = Mapping[str, Any]

STATUSES = {
    "accepted": ("已受理", "accepted", ""),
    "published": ("已发布", "published", ""),
    "applied": ("已汇总", "applied", "green"),
    "dead_lettered": ("已搁置", "dead-lettered", "bold red"),
}
_FIELDS = {
    "submission_id": ("回执号", "submission"),
    "status": ("状态", "status"),
    "org": ("单位", "organisation"),
    "reported_by": ("报送单位", "reported by"),
    "key_id": ("密钥号", "key"),
    "key_label": ("密钥持有人", "key held by"),
    "prepared_by": ("填报人", "prepared by"),
    "approved_by": ("审核人", "approved by"),
    "figures": ("数的个数", "figures"),
    "sequence": ("序号", "sequence"),
    "received_at": ("收到时间", "received at"),
    "catalogue_version": ("数据字典版本", "catalogue version"),
    "media_type": ("格式", "format"),
    "size": ("字节数", "bytes"),
    "idempotency_key": ("幂等键", "idempotency key"),
    "published_at": ("发布时间", "published at"),
    "applied_at": ("汇总时间", "applied at"),
    "applied": ("已生效", "applied"),
    "superseded": ("已有更新的数", "superseded"),
    "excluded": ("数据字典不再采用", "excluded"),
    "reason": ("搁置原因", "reason"),
}


def list_of(receipts: Sequence[Answer], talk: Talk) -> Table:
    """A line for each: when, which, about whom, how many, how far, how many warnings."""
    table = _table()
    for zh, en in (("时间", "time"), ("回执号", "submission"), ("单位", "org"), ("填报人", "prepared by")):
        # The id is what `fourones status ID` takes: never cut.
        table.add_column(talk.say(zh, en), no_wrap=True)
    for zh, en in (("个数", "figures"), ("待核实", "warnings")):
        table.add_column(talk.say(zh, en), justify="right", no_wrap=True)
    table.add_column(talk.say("状态", "status"), no_wrap=True)
    for receipt in receipts:
        table.add_row(
            Text(local_time(receipt.get("received_at"), seconds=False)),
            Text(str(receipt.get("submission_id", ""))),
            Text(str(receipt.get("org", ""))),
            Text(str(receipt.get("prepared_by") or "")),
            str(receipt.get("figures", "")),
            str(len(receipt.get("warnings") or ()) or ""),
            status_text(receipt.get("status"), talk),
        )
    return table


def detail_of(receipt: Answer, talk: Talk) -> Group:
    """Every field on a line of its own, those that this release does not know too; warnings apart (`show_faults`)."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    known = [name for name in _FIELDS if receipt.get(name) is not None]
    others = [name for name in receipt if name not in _FIELDS and name != "warnings" and receipt[name] is not None]
    for name in (*known, *others):
        table.add_row(Text(talk.say(*_FIELDS.get(name, (name, name)))), _value(name, receipt[name], talk))
    return Group(table)


def status_text(status: object, talk: Talk) -> Text:
    """How far a submission has come, in words and colour."""
    zh, en, style = STATUSES.get(str(status), (str(status), str(status), ""))
    return Text(talk.say(zh, en), style=style)


def local_time(moment: object, *, seconds: bool = True) -> str:
    """A time of the service on Shanghai's clock; whatever is none, as it is."""
    if not isinstance(moment, str):
        return ""
    try:
        local = datetime.fromisoformat(moment).astimezone(SHANGHAI)
    except ValueError:
        return moment
    return f"{local:%Y-%m-%d %H:%M:%S}" if seconds else f"{local:%Y-%m-%d %H:%M}"


def _value(name: str, value: object, talk: Talk) -> Text:
    if name == "status":
        return status_text(value, talk)
    if name.endswith("_at"):
        return Text(local_time(value))
    return Text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _table() -> Table:
    return Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
