"""The data sources, asked as Grafana asks them; every answer within a second, or it is none."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import httpx
import psycopg

from fourones_grafana.errors import QueryFailed

# What a board may cost; both sources give up then.
LIMIT_S = 1


@dataclass(frozen=True, slots=True)
class Series:
    """A time series: its labels, and its points as Unix seconds and values."""

    labels: Mapping[str, str]
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Rows:
    """An answer of PostgreSQL."""

    columns: Sequence[str]
    rows: Sequence[tuple[Any, ...]]


class Prometheus:
    """A Prometheus server.

    Args:
        url: its address.
    """

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=10 * LIMIT_S, trust_env=False)

    def now(self, expr: str, at: datetime) -> list[Series]:
        """The value of every series at a moment.

        Raises:
            QueryFailed: with Prometheus' reason.
        """
        found = self._ask("/api/v1/query", {"query": expr, "time": at.timestamp(), "timeout": f"{LIMIT_S}s"})
        if found["resultType"] == "scalar":
            return [Series({}, [_point(found["result"])])]
        return [Series(s["metric"], [_point(s["value"])]) for s in found["result"]]

    def over_time(self, expr: str, since: datetime, until: datetime, step: int) -> list[Series]:
        """Every series over a range, every so many seconds, the last at its end.

        Raises:
            QueryFailed: with Prometheus' reason.
        """
        asked = {
            "query": expr,
            "start": until.timestamp() - int((until - since).total_seconds()) // step * step,
            "end": until.timestamp(),
            "step": step,
            "timeout": f"{LIMIT_S}s",
        }
        found = self._ask("/api/v1/query_range", asked)
        return [Series(s["metric"], [_point(p) for p in s["values"]]) for s in found["result"]]

    def label_values(self, metric: str, label: str) -> list[str]:
        """The values that a label has on a metric.

        Raises:
            QueryFailed: with Prometheus' reason.
        """
        answer = self._http.get(f"/api/v1/label/{label}/values", params={"match[]": metric})
        return [str(value) for value in _data(answer, metric)]

    def close(self) -> None:
        """Ends the connections."""
        self._http.close()

    def _ask(self, path: str, asked: Mapping[str, Any]) -> Any:
        return _data(self._http.post(path, data=dict(asked)), asked["query"])


class Postgres:
    """The services' databases, as the boards' role sees them.

    Args:
        urls: libpq's address by service, with the role and its password.
    """

    def __init__(self, urls: Mapping[str, str]) -> None:
        limit = f"-c statement_timeout={LIMIT_S * 1000} -c timezone=UTC"
        self._connections = {
            service: psycopg.connect(url, autocommit=True, options=limit) for service, url in urls.items()
        }

    def ask(self, service: str, sql: str) -> Rows:
        """The rows of a query.

        Raises:
            QueryFailed: with PostgreSQL's reason; a query that takes too long is cancelled.
        """
        try:
            # No parameters, so that a percent sign is one.
            cursor = self._connections[service].execute(sql.encode())
        except psycopg.Error as error:
            raise QueryFailed(f"{service}: {str(error).strip()}\n{sql}") from error
        columns = [column.name for column in cursor.description or ()]
        return Rows(columns, cursor.fetchall())

    def close(self) -> None:
        """Ends the connections."""
        for connection in self._connections.values():
            connection.close()


@dataclass
class Asking:
    """Both kinds of sources; every distinct question is put once, and how long it took is kept.

    Attributes:
        since, until: the range that range queries and time filters are about.
        at: the moment of instant queries.
        seconds: by question.
    """

    prometheus: Prometheus
    postgres: Postgres
    at: datetime
    seconds: dict[str, float] = field(default_factory=dict)
    _answers: dict[tuple[str, ...], Any] = field(default_factory=dict)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.prometheus.close()
        self.postgres.close()

    def series_now(self, expr: str) -> list[Series]:
        """As `Prometheus.now`."""
        return list(self._once(("now", expr), expr, lambda: self.prometheus.now(expr, self.at)))

    def series(self, expr: str, since: datetime, until: datetime, step: int) -> list[Series]:
        """As `Prometheus.over_time`."""
        key = ("over time", expr, str(since), str(until))
        return list(self._once(key, expr, lambda: self.prometheus.over_time(expr, since, until, step)))

    def rows(self, service: str, sql: str) -> Rows:
        """As `Postgres.ask`."""
        found: Rows = self._once((service, sql), sql, lambda: self.postgres.ask(service, sql))
        return found

    def label_values(self, metric: str, label: str) -> list[str]:
        """As `Prometheus.label_values`."""
        return list(self._once((metric, label), metric, lambda: self.prometheus.label_values(metric, label)))

    def _once(self, key: tuple[str, ...], question: str, ask: Any) -> Any:
        if key not in self._answers:
            started = time.monotonic()
            self._answers[key] = ask()
            self.seconds[question] = max(self.seconds.get(question, 0.0), time.monotonic() - started)
        return self._answers[key]


def _data(answer: httpx.Response, question: str) -> Any:
    body = answer.json()
    if body["status"] != "success":
        raise QueryFailed(f"Prometheus: {body['error']}\n{question}")
    return body["data"]


def _point(sample: Sequence[Any]) -> tuple[float, float]:
    value = str(sample[1])
    return float(sample[0]), math.inf if value == "+Inf" else float(value)
