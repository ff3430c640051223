"""Alertmanager's configuration, made from the catalogue: which alert is for whom, and who is called about it.

Source: Prometheus documentation, "Alertmanager configuration".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from fourones_shared.catalogue.model import Catalogue

DEPARTMENTS, OPERATORS, DIRECT = "departments", "operators", "operators-direct"
# What may mean that the alerting service itself is dead, or that no notice gets through: operators hear of these from
# Alertmanager itself as well.
_NOT_BY_OURSELVES = "ServiceDown|VerdictsMissing|JudgingStalled|NoticesGivenUp|NoticesWaiting"
# What follows from a service that does not answer.
_FOLLOWS = "ConsumerLag|FiguresStale|RequestsFail|OutboxStuck|JudgingStalled"


@dataclass(frozen=True, slots=True)
class Mail:
    """How Alertmanager mails operators by itself.

    Attributes:
        to: who gets it, separated by commas.
        smarthost: host:port of the mail server.
        password_file: where Alertmanager finds the password of `username`.
    """

    to: str
    smarthost: str
    sender: str
    username: str | None = None
    password_file: str | None = None
    require_tls: bool = True


@dataclass(frozen=True, slots=True)
class Intervals:
    """How long Alertmanager waits, in its own notation.

    Attributes:
        group_wait: for more of the same group, before the first call.
        group_interval: before it calls about what has been added to a group.
        repeat: before it calls about the same again; what is told then is decided by the ledger.
    """

    group_wait: str = "30s"
    group_interval: str = "5m"
    repeat: str = "4h"


def configuration(
    catalogue: Catalogue,
    *,
    webhook: str,
    token_file: str,
    mail: Mail | None = None,
    direct_webhook_file: str | None = None,
    intervals: Intervals | None = None,
) -> str:
    """The configuration file.

    Args:
        catalogue: its organisations are called about.
        webhook: the address of `POST /v1/alertmanager`.
        token_file: where Alertmanager finds what it must bear there.
        mail: how Alertmanager tells operators by itself.
        direct_webhook_file: the same by a webhook; where Alertmanager finds its address, which may hold a secret.
        intervals: how long to wait.
    """
    waits = intervals or Intervals()
    document: dict[str, Any] = {
        "global": _global(mail),
        "route": _route(catalogue, waits, direct=mail is not None or direct_webhook_file is not None),
        "inhibit_rules": _inhibitions(),
        "receivers": [
            {"name": name, "webhook_configs": [_webhook(webhook, token_file)]} for name in (DEPARTMENTS, OPERATORS)
        ],
    }
    if mail is not None or direct_webhook_file is not None:
        document["receivers"].append(_direct(mail, direct_webhook_file))
    heading = (
        "# Made by `fourones-alerting alertmanager-config` from the catalogue; make it anew when departments change.\n"
    )
    return heading + yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=120)


def _global(mail: Mail | None) -> Mapping[str, Any]:
    # An alert of which nothing is heard is over: as long as Prometheus needs to come back after a restart.
    found: dict[str, Any] = {"resolve_timeout": "5m"}
    if mail is not None:
        found |= {"smtp_smarthost": mail.smarthost, "smtp_from": mail.sender, "smtp_require_tls": mail.require_tls}
        if mail.username:
            found |= {"smtp_auth_username": mail.username, "smtp_auth_password_file": mail.password_file}
    return found


def _route(catalogue: Catalogue, waits: Intervals, *, direct: bool) -> Mapping[str, Any]:
    # Departments answer for targets, and anybody may have to mend a problem.
    organisations = "|".join(sorted(organisation.id for organisation in catalogue.organisations))
    routes: list[dict[str, Any]] = [
        {
            "receiver": DEPARTMENTS,
            "matchers": ['audience="department"', f'department=~"{organisations}"'],
        }
    ]
    if direct:
        routes.append(
            {
                "receiver": DIRECT,
                "matchers": ['audience="operators"', f'alertname=~"{_NOT_BY_OURSELVES}"'],
                "group_by": ["alertname", "job"],
                "continue": True,
            }
        )
    routes.append({"receiver": OPERATORS, "matchers": ['audience="operators"'], "group_by": ["alertname", "job"]})
    return {
        # An alert for nobody whom the catalogue knows is a fault of rules or labels, which the ledger would pass over.
        "receiver": DIRECT if direct else OPERATORS,
        "group_by": ["alertname", "department"],
        "group_wait": waits.group_wait,
        "group_interval": waits.group_interval,
        "repeat_interval": waits.repeat,
        "routes": routes,
    }


def _inhibitions() -> list[Mapping[str, Any]]:
    return [
        {
            "source_matchers": ['alertname="TargetDeteriorating"'],
            "target_matchers": ['alertname="TargetOffTrack"'],
            "equal": ["target", "department"],
        },
        {
            "source_matchers": ['alertname="ServiceDown"'],
            "target_matchers": [f'alertname=~"{_FOLLOWS}"'],
            "equal": ["job"],
        },
    ]


def _webhook(address: str, token_file: str) -> Mapping[str, Any]:
    return {
        "url": address,
        "send_resolved": True,
        # All of a group: the ledger looks at every target that is named.
        "max_alerts": 0,
        "http_config": {"authorization": {"type": "Bearer", "credentials_file": token_file}},
    }


def _direct(mail: Mail | None, webhook_file: str | None) -> Mapping[str, Any]:
    receiver: dict[str, Any] = {"name": DIRECT}
    if mail is not None:
        receiver["email_configs"] = [{"to": mail.to, "send_resolved": True}]
    if webhook_file is not None:
        receiver["webhook_configs"] = [{"url_file": webhook_file, "send_resolved": True}]
    return receiver
