"""What Alertmanager calls with: its webhook, version 4.

Source: Prometheus documentation, "Alertmanager configuration", `<webhook_config>`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, Field, StringConstraints

from fourones_alerting.notifying.occasions import Occasion, operators_key

# Longer than any name or text of ours; what somebody else's alert says is cut to it.
LONGEST_TEXT = 2_000

Label = Annotated[str, StringConstraints(max_length=10_000)]


class Alert(BaseModel):
    """One alert of a call."""

    status: Literal["firing", "resolved"]
    labels: dict[str, Label]
    annotations: dict[str, Label] = Field(default_factory=dict)
    starts_at: AwareDatetime = Field(alias="startsAt")
    fingerprint: str = Field(default="", max_length=200)


class Call(BaseModel):
    """The body of a call; what else it holds is of no matter here."""

    version: Literal["4"] = "4"
    alerts: list[Alert] = Field(max_length=100_000)


def occasions_of(call: Call) -> Iterator[Occasion]:
    """The reasons to look that a call brings; alerts that are for nobody here are passed over."""
    for alert in call.alerts:
        occasion = _occasion(alert)
        if occasion is not None:
            yield occasion


def _occasion(alert: Alert) -> Occasion | None:
    firing = alert.status == "firing"
    name, audience = _label(alert, "alertname"), _label(alert, "audience")
    target, department = _label(alert, "target"), _label(alert, "department")
    if audience == "operators":
        key = operators_key(alert.fingerprint, alert.starts_at, firing=firing)
        return _made(alert, key)
    if audience == "department" and department and target:
        # A later call about the same target says nothing more: what is told follows from what is stored.
        key = f"department:{name}:{target}:{department}:{alert.status}"
        return _made(alert, key, target=target, department=department)
    if audience == "department" and department:
        key = f"department:{name}:{department}:{_seconds(alert.starts_at)}:{alert.status}"
        return _made(alert, key, department=department)
    return None


def _made(alert: Alert, key: str, *, target: str | None = None, department: str | None = None) -> Occasion:
    return Occasion(
        key=_plain(key),
        audience=_label(alert, "audience"),
        alert=_label(alert, "alertname"),
        firing=alert.status == "firing",
        target=target,
        department=department,
        starts_at=alert.starts_at,
        title=_plain(alert.annotations.get("summary", "")),
        text=_plain(alert.annotations.get("description", "")),
    )


def _label(alert: Alert, name: str) -> str:
    return _plain(alert.labels.get(name, ""))


def _seconds(moment: datetime) -> str:
    return f"{moment.timestamp():.0f}"


def _plain(text: str) -> str:
    # PostgreSQL knows no NUL, and a call that is refused for it would be made again and again.
    return text.replace("\x00", "")[:LONGEST_TEXT]
