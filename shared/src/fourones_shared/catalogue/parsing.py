"""From a document (the JSON of `PUT /v1/catalogue`, or what the YAML files make together) to a `Catalogue`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ValidationError

from fourones_shared.catalogue.checks import check
from fourones_shared.catalogue.faults import CatalogueHasFaults, Fault, Words, escape
from fourones_shared.catalogue.model import (
    Catalogue,
    Cluster,
    Indicator,
    Organisation,
    Peer,
    Pillar,
    Plan,
    Source,
    Target,
    Tier,
)

SECTIONS: Mapping[str, type[BaseModel]] = {
    "sources": Source,
    "organisations": Organisation,
    "tiers": Tier,
    "clusters": Cluster,
    "pillars": Pillar,
    "plans": Plan,
    "indicators": Indicator,
    "targets": Target,
    "peers": Peer,
}


def parse_document(document: Mapping[str, Any]) -> Catalogue:
    """Make a catalogue of a document, checked by every rule.

    Raises:
        CatalogueHasFaults: with all faults at once, by JSON pointer into the document.
    """
    catalogue, faults = read_document(document)
    if faults or catalogue is None:
        raise CatalogueHasFaults(faults)
    return catalogue


def read_document(document: object, *, cross_checks: bool = True) -> tuple[Catalogue | None, list[Fault]]:
    """The catalogue of those entries that can be read, and all faults.

    References to an entry that could not be read are not reported: they are no fault of their own.
    Without `cross_checks` only each entry's own form is looked at.
    """
    if not isinstance(document, Mapping):
        return None, [_not("", "mapping")]
    faults = [_unknown_section(key) for key in document if key not in SECTIONS]
    read: dict[str, list[BaseModel]] = {}
    # Where each entry that could be read stands in the document: checks count only those.
    places: dict[str, list[int]] = {}
    excused: dict[str, set[str]] = {}
    for section, kind in SECTIONS.items():
        entries = document.get(section, [])
        read[section], places[section] = [], []
        if not isinstance(entries, Sequence) or isinstance(entries, str):
            faults.append(_not(f"/{section}", "list"))
            continue
        for index, entry in enumerate(entries):
            wrong = _form_faults(kind, entry, f"/{section}/{index}")
            if isinstance(wrong, BaseModel):
                read[section].append(wrong)
                places[section].append(index)
                continue
            faults.extend(wrong)
            if isinstance(entry, Mapping):
                excused.setdefault(section, set()).add(str(entry.get("id")))
    catalogue = Catalogue.model_validate(read)
    if cross_checks:
        faults.extend(_in_document(fault, places) for fault in check(catalogue, excused))
    return catalogue, faults


def _in_document(fault: Fault, places: Mapping[str, Sequence[int]]) -> Fault:
    parts = fault.pointer.split("/")
    if len(parts) < 3:
        return fault
    parts[2] = str(places[parts[1]][int(parts[2])])
    return replace(fault, pointer="/".join(parts))


def _form_faults(kind: type[BaseModel], entry: object, pointer: str) -> BaseModel | list[Fault]:
    if not isinstance(entry, Mapping):
        return [_not(pointer, "mapping")]
    try:
        return kind.model_validate(entry)
    except ValidationError as error:
        found: dict[str, Fault] = {}
        for detail in error.errors(include_url=False):
            place = pointer + _path_in(entry, detail["loc"], detail["type"])
            found.setdefault(place, _worded(place, detail["type"], detail["msg"], detail.get("ctx", {})))
        return list(found.values())


def _path_in(entry: object, loc: Sequence[str | int], kind: str) -> str:
    """The pointer to what pydantic means; the names of union members in its path are no part of the document."""
    path = ""
    here: object = entry
    for position, part in enumerate(loc):
        last = position == len(loc) - 1
        if isinstance(here, Mapping) and (part in here or (last and kind == "missing")):
            here = here.get(part)
        elif isinstance(here, Sequence) and not isinstance(here, str) and isinstance(part, int) and part < len(here):
            here = here[part]
        else:
            continue
        path += f"/{escape(part)}"
    return path


def _worded(pointer: str, kind: str, message: str, context: Mapping[str, Any]) -> Fault:
    field = pointer.rpartition("/")[2]
    if kind in _PLAIN:
        zh, en = _PLAIN[kind]
    elif kind == "missing":
        zh = Words(f"缺少 {field}", "补上这个字段")
        en = Words(f"{field} is missing", "add it")
    elif kind == "extra_forbidden":
        zh = Words(f"没有 {field} 这个字段", "检查拼写,或删去")
        en = Words(f"there is no field {field}", "check the spelling, or remove it")
    elif kind in {"enum", "literal_error", "union_tag_invalid"}:
        expected = context.get("expected") or context.get("expected_tags", "")
        zh = Words("不在可选值之内", f"应为 {expected} 之一")
        en = Words("not one of the values it may have", f"write one of {expected}")
    elif kind.startswith("decimal"):
        zh = Words("不是可保存的精确小数", "写成如 14.5 的数,小数点前至多 18 位、后至多 10 位")
        en = Words(
            "not an exact decimal that can be kept",
            "write a number such as 14.5, at most 18 digits before and 10 after the point",
        )
    elif kind in {"greater_than_equal", "less_than_equal"}:
        bound = context.get("ge", context.get("le"))
        zh = Words("超出范围", f"应不{'小' if 'ge' in context else '大'}于 {bound}")
        en = Words("out of range", f"write {'at least' if 'ge' in context else 'at most'} {bound}")
    elif kind.startswith("date"):
        zh = Words("不是日期", "写成如 2025-12-31")
        en = Words("not a day", "write it like 2025-12-31")
    else:
        plain = message.removeprefix("Value error, ")
        zh = Words(f"写法不对({plain})", "按数据字典改正")
        en = Words(plain, "mend it as the message says")
    return Fault(pointer, kind.replace("_", "-"), zh, en)


_PLAIN = {
    "string_pattern_mismatch": (
        Words("代码写法不对", "只用小写字母、数字和单个连字符,如 cluster-scale"),
        Words("not an id", "use lower-case letters, digits and single hyphens, such as cluster-scale"),
    ),
    "due_in_one_way": (
        Words(
            "due_days(日历日)和 due_working_days(工作日)必须写一个,也只能写一个",
            "补上或删去;要替换 defaults 里的那一个,就把它写成 null",
        ),
        Words(
            "exactly one of due_days and due_working_days says when a figure is due",
            "add or remove one; to replace the one of `defaults`, write it as null",
        ),
    ),
    "too_short": (Words("至少要写一项", "补上"), Words("at least one is needed", "add it")),
    "union_tag_not_found": (
        Words("没有写明怎样计算", "用 kind 写明 ratio、growth 或 count-at-or-above"),
        Words("it does not say how to compute", "give its `kind`: ratio, growth or count-at-or-above"),
    ),
}


def _unknown_section(key: object) -> Fault:
    return Fault(
        f"/{escape(str(key))}",
        "unknown-section",
        zh=Words(f"没有 {key} 这一部分", f"只能是 {'、'.join(SECTIONS)}"),
        en=Words(f"there is no section {key}", f"use {', '.join(SECTIONS)}"),
    )


def _not(pointer: str, what: str) -> Fault:
    zh = {"mapping": "键值对", "list": "列表"}[what]
    return Fault(
        pointer,
        f"not-a-{what}",
        zh=Words(f"这里应为{zh}", f"改写成{zh}"),
        en=Words(f"a {what} is expected here", f"write a {what}"),
    )
