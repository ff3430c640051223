"""Submissions as JSON. Numbers are kept as the characters they were written with: 0.1 stays 0.1."""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from fourones_submission.domain.draft import MOST_FIGURES, Draft, Fault, FigureDraft, too_many
from fourones_submission.domain.wording import quoted
from fourones_submission.formats.errors import Unreadable

MEDIA_TYPE = "application/json"

_FIGURE_TEXTS = frozenset({"indicator", "cluster", "period", "unit", "status", "note", "justification"})
_FIGURE_FIELDS = _FIGURE_TEXTS | {"value", "withdraw"}
_TEXTS = frozenset({"org", "prepared_by", "approved_by"})
_FIELDS = _TEXTS | {"figures"}

# An object with more names than this that mean nothing is not a figure with slips in it.
_UNKNOWN_FIELDS_TOLD = 10

_KINDS = {dict: "对象", list: "数组", bool: "布尔值", str: "字符串"}
_SYNTAX = {
    "Expecting value": "此处缺少一个值",
    "Expecting property name enclosed in double quotes": "字段名要用双引号括起,最后一项后面不能有逗号",
    "Expecting ',' delimiter": "此处缺少逗号,或括号没有配对",
    "Expecting ':' delimiter": "字段名后面缺少冒号",
    "Unterminated string starting at": "字符串缺少结尾的双引号",
    "Extra data": "一个请求只能有一个 JSON 对象,此处之后是多余的内容",
    "Invalid control character at": "字符串里有未转义的控制字符",
    "Invalid \\escape": "无效的转义符",
}


class JsonNumber(str):
    """The characters of a JSON number, told apart from a string."""

    __slots__ = ()


def read(body: bytes) -> Draft:
    """Read a submission.

    Raises:
        Unreadable: when the body is not JSON in UTF-8.
    """
    document = parse(body)
    if not isinstance(document, dict):
        detail = f"请求体应为 JSON 对象,而不是{_kind(document)}"
        return Draft(None, None, faults=(Fault(None, None, "body_not_object", detail),))
    faults: list[Fault] = []
    texts: dict[str, str] = {}
    for name in _TEXTS:
        given = document.get(name)
        if type(given) is str:
            texts[name] = given
        elif given is not None:
            faults.append(_wrong_type(None, name, given))
    _unknown_fields(None, document, _FIELDS, faults)
    figures = _figures(document.get("figures"), faults)
    return Draft(texts.get("org"), figures, texts.get("prepared_by"), texts.get("approved_by"), faults)


def parse(body: bytes, number: Callable[[str], Any] = JsonNumber) -> Any:
    """Parse JSON; a name that is given twice in one object is an error.

    Args:
        body: UTF-8.
        number: makes a value of a number's characters.

    Raises:
        Unreadable: when the body is not JSON in UTF-8, or nested absurdly deep.
    """
    try:
        return _decoder(number).decode(body.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line, column = _place(body, error.start)
        raise Unreadable("请求体不是 UTF-8 编码:请另存为 UTF-8 后再报", line, column) from error
    except json.JSONDecodeError as error:
        hint = _SYNTAX.get(error.msg, error.msg)
        raise Unreadable(f"JSON 有语法错误:{hint}", error.lineno, error.colno) from error
    except RecursionError as error:
        raise Unreadable("JSON 嵌套过深", 1, 1) from error


def _figures(given: object, faults: list[Fault]) -> list[FigureDraft] | None:
    if given is None:
        faults.append(Fault(None, "figures", "figures_missing", "缺少 figures:请写要报送的数,是一个数组"))
        return None
    if not isinstance(given, list):
        faults.append(_wrong_type(None, "figures", given, "数组"))
        return None
    if len(given) > MOST_FIGURES:
        faults.append(too_many(len(given)))
        return None
    return [_figure(index, item, faults) for index, item in enumerate(given)]


def _figure(index: int, item: object, faults: list[Fault]) -> FigureDraft:
    if not isinstance(item, dict):
        faults.append(_wrong_type(index, None, item, "对象"))
        return FigureDraft(unreadable=_FIGURE_FIELDS)
    given: dict[str, Any] = {}
    unreadable: list[str] = []
    unknown = False
    for name, value in item.items():
        if name in _FIGURE_TEXTS:
            fits = type(value) is str
        elif name == "value":
            fits = isinstance(value, str)
        elif name == "withdraw":
            fits = isinstance(value, bool)
        else:
            unknown = True
            continue
        if fits:
            given[name] = value
        elif value is None:
            continue
        else:
            expected = {"value": "字符串或数字", "withdraw": "true 或 false"}.get(name, "字符串")
            faults.append(_wrong_type(index, name, value, expected))
            unreadable.append(name)
    if unknown:
        _unknown_fields(index, item, _FIGURE_FIELDS, faults)
    if unreadable:
        given["unreadable"] = frozenset(unreadable)
    return FigureDraft(**given)


def _wrong_type(figure: int | None, field: str | None, given: object, expected: str = "字符串") -> Fault:
    remedy = f',请写成 "{given[:40]}"' if isinstance(given, JsonNumber) and expected == "字符串" else ""
    return Fault(figure, field, "type_wrong", f"应为{expected},而不是{_kind(given)}{remedy}")


def _unknown_fields(figure: int | None, given: dict[str, Any], known: frozenset[str], faults: list[Fault]) -> None:
    unknown = [name for name in given if name not in known]
    for name in unknown[:_UNKNOWN_FIELDS_TOLD]:
        detail = f"没有名为 {quoted(name)} 的字段;{_remedy(name[:60], known)}"
        faults.append(Fault(figure, name, "field_unknown", detail))
    if len(unknown) > _UNKNOWN_FIELDS_TOLD:
        more = len(unknown) - _UNKNOWN_FIELDS_TOLD
        faults.append(Fault(figure, None, "field_unknown", f"另有 {more} 个不认识的字段:请全部去掉"))


@lru_cache(maxsize=1024)
def _remedy(name: str, known: frozenset[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f"是否应为 {close[0]}?" if close else "可用的字段:" + "、".join(sorted(known))


def _kind(given: object) -> str:
    if given is None:
        return " null"
    if isinstance(given, JsonNumber):
        return "数字"
    return next(word for kind, word in _KINDS.items() if isinstance(given, kind))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counts.items() if count > 1)
        # Which of the two is meant, only the sender knows.
        raise Unreadable(f"同一个对象里字段 {quoted(twice)} 出现了不止一次:请只保留一个", 1, 1)
    return found


def _place(body: bytes, offset: int) -> tuple[int, int]:
    before = body[:offset]
    return before.count(b"\n") + 1, offset - (before.rfind(b"\n") + 1) + 1


@lru_cache(maxsize=4)
def _decoder(number: Callable[[str], Any]) -> json.JSONDecoder:
    # NaN and Infinity are no JSON, but some writers send them: they are told as bad values, with their place.
    return json.JSONDecoder(object_pairs_hook=_object, parse_float=number, parse_int=number, parse_constant=number)
