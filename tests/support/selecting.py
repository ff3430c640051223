"""Whom a label selector of Kubernetes means."""

from collections.abc import Mapping
from typing import Any


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether an object with these labels is meant; an empty selector means all."""
    wanted = selector.get("matchLabels", {}).items()
    return wanted <= labels.items() and all(
        _holds(expression, labels.get(expression["key"])) for expression in selector.get("matchExpressions", ())
    )


def _holds(expression: Mapping[str, Any], value: str | None) -> bool:
    match expression["operator"]:
        case "In":
            return value in expression["values"]
        case "NotIn":
            return value not in expression["values"]
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    raise AssertionError(expression)
