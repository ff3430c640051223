"""The error answers of a route, for OpenAPI."""

from __future__ import annotations

from typing import Any

from fourones_shared.http.problems import ProblemDetails
from fourones_shared.http.service import RETRY_AFTER

_MEANING = {
    400: "not parseable; the place by line and column",
    401: "no key, or one that is not valid",
    403: "outside the key's scope; the figures concerned by pointer",
    404: "not there, or not yours",
    408: "the body took too long to arrive",
    409: "the same Idempotency-Key is being worked on",
    412: "the catalogue has changed since it was read",
    413: "too large",
    415: "another media type or encoding than those that are taken",
    422: "wrong, with every fault by pointer",
    428: "the version that the change starts from must be named",
    429: "the key has used up its rate; try again",
    503: "the database is away, no catalogue is in force, or the service has just started; try again",
}
_EXAMPLE: dict[int, dict[str, Any]] = {
    400: {
        "title": "Bad Request",
        "detail": "第 3 行第 18 列:JSON 有语法错误:此处缺少逗号,或括号没有配对",
        "errors": [{"line": 3, "column": 18, "code": "not_parseable", "detail": "JSON 有语法错误:…"}],
    },
    403: {
        "title": "Forbidden",
        "detail": "超出本密钥的权限,全部未接收:请看 errors",
        "errors": [{"pointer": "/org", "code": "org_not_yours", "detail": "本密钥属于 320382,不负责 320381…"}],
    },
    429: {
        "title": "Too Many Requests",
        "detail": "请求过于频繁:每个密钥每秒最多 100 次,请在 1 秒后重试;多个数可以合成一份报送…",
    },
    422: {
        "title": "Unprocessable Content",
        "detail": "共 1 处有误,全部未接收:请按 errors 逐条修改后整份重报(数据字典第 3 版)",
        "errors": [
            {
                "pointer": "/figures/3/period",
                "code": "period_frequency",
                "detail": "“2025” 的频度不对:该指标按月报送,写法如 2026-03",
            }
        ],
    },
}


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that answers with these errors, and with 429 and 503 where a key is asked for."""
    answers: dict[int | str, dict[str, Any]] = {}
    for status in (*statuses, 429, 503) if 401 in statuses else statuses:
        example = {"type": "about:blank", "status": status} | _EXAMPLE.get(status, {"title": _MEANING[status]})
        answers[status] = {
            "model": ProblemDetails,
            "description": _MEANING[status],
            "content": {"application/problem+json": {"example": example}},
        }
        if status in {409, 429, 503}:
            answers[status]["headers"] = RETRY_AFTER
    return answers
