"""The problem list as its users see it: a key for everybody, and requests with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from integration.alerting.service import Service
from support.waiting import eventually
from unit.alerting.builders import CLUSTER, COUNTY, DEPARTMENT, OTHER_COUNTY, OTHER_DEPARTMENT

from fourones_local import loopback
from fourones_shared.events.model import Role

COUNTY_KEY, OTHER_COUNTY_KEY, DEPARTMENT_KEY, OTHER_DEPARTMENT_KEY = "county", "other county", "gxj", "kjj"
OFFICE, COLLEAGUE, VIEWER, ADMIN = "office", "colleague", "viewer", "admin"
EVERYBODY: dict[str, tuple[Role, str | None]] = {
    COUNTY_KEY: (Role.REPORTER, COUNTY),
    OTHER_COUNTY_KEY: (Role.REPORTER, OTHER_COUNTY),
    DEPARTMENT_KEY: (Role.DEPARTMENT, DEPARTMENT),
    OTHER_DEPARTMENT_KEY: (Role.DEPARTMENT, OTHER_DEPARTMENT),
    OFFICE: (Role.COORDINATOR, None),
    COLLEAGUE: (Role.COORDINATOR, None),
    VIEWER: (Role.VIEWER, None),
    ADMIN: (Role.ADMIN, None),
}
A_PROBLEM = {
    "title": "智能工厂用地未落实",
    "description": "二期 120 亩用地指标未批，影响三季度投产",
    "kind": "project",
    "subject": "智能工厂二期",
    "org": COUNTY,
    "cluster": CLUSTER,
    "due": "2026-12-31",
}


@dataclass
class ProblemList:
    """A running API with a key for everybody."""

    url: str
    keys: dict[str, str]
    client: httpx.Client = field(default_factory=lambda: loopback.client(timeout=30))

    def get(self, path: str = "", *, who: str = OFFICE, **query: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.keys[who]}"}
        return self.client.get(f"{self.url}/v1/problems{path}", params=query, headers=headers)

    def post(self, path: str = "", body: Any = None, *, who: str = OFFICE, **headers: str) -> httpx.Response:
        """Post JSON; headers' names with `_` for `-`."""
        said = {"Authorization": f"Bearer {self.keys[who]}"} | {n.replace("_", "-"): v for n, v in headers.items()}
        if isinstance(body, bytes):
            said = {"Content-Type": "application/json"} | said
            return self.client.post(f"{self.url}/v1/problems{path}", content=body, headers=said)
        return self.client.post(f"{self.url}/v1/problems{path}", json=body, headers=said)

    def raised(self, who: str = COUNTY_KEY, **changes: Any) -> dict[str, Any]:
        """A problem on the list."""
        answer = self.post(body=A_PROBLEM | changes, who=who)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def step(self, problem: int, action: str, who: str, note: str | None = None, **more: Any) -> dict[str, Any]:
        """A step that must be allowed."""
        answer = self.post(f"/{problem}/{action}", ({"note": note} if note else {}) | more, who=who)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def one(self, problem: int, who: str = OFFICE) -> dict[str, Any]:
        answer = self.get(f"/{problem}", who=who)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def items(self, *, who: str = OFFICE, **query: Any) -> list[dict[str, Any]]:
        answer = self.get(who=who, **query)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["items"])

    def series(self, name: str, **labels: str) -> float | None:
        """The sum of the series with these labels; None where there is none."""
        answer = self.client.get(f"{self.url}/metrics")
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        found = [
            float(line.rpartition(" ")[2])
            for line in answer.text.splitlines()
            if line.startswith(f"{name}{{") and all(part in line for part in wanted)
        ]
        return sum(found) if found else None


@contextmanager
def a_problem_list(service: Service) -> Iterator[ProblemList]:
    """Worker and API of the service, with a key for everybody known to both."""
    with service.worker(), service.api() as reader, problem_list_at(service, reader.url) as problems:
        yield problems


@contextmanager
def problem_list_at(service: Service, url: str) -> Iterator[ProblemList]:
    """An API of the service that runs, with a key for everybody known to it."""
    keys = {who: service.publisher.grant(role, org) for who, (role, org) in EVERYBODY.items()}
    problems = ProblemList(url, keys)
    try:
        for who in EVERYBODY:
            eventually(lambda who=who: problems.get(who=who).status_code == 200)  # type: ignore[misc]
        yield problems
    finally:
        problems.client.close()


def code(answer: httpx.Response) -> tuple[int, str]:
    """Status and first code of a refusal; its detail is there, in Chinese."""
    told = answer.json()
    assert any("一" <= letter <= "鿿" for letter in told["detail"]), told
    return answer.status_code, told["errors"][0]["code"]
