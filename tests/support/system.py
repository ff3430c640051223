"""A user's view of the whole system: its three APIs over HTTP, and nothing else."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from fourones_local import loopback
from support.waiting import eventually


class SystemClient:
    """Speaks to the running system with its demonstration keys."""

    def __init__(self, endpoints: Mapping[str, Any]) -> None:
        self._endpoints = endpoints
        self._http = loopback.client(timeout=30)

    def close(self) -> None:
        self._http.close()

    def post(
        self, key: str, body: Mapping[str, Any], idempotency_key: str | None = None, **query: str
    ) -> httpx.Response:
        headers = self._bearer(key) | {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}
        url = f"{self._endpoints['submission']}/v1/submissions"
        return self._http.post(url, json=body, headers=headers, params=query)

    def submit(self, org: str, figures: Sequence[Mapping[str, Any]], *, key: str | None = None) -> dict[str, Any]:
        answer = self.post(key or org, {"org": org, "figures": list(figures)})
        assert answer.status_code == 202, answer.text
        return dict(answer.json())

    def get(self, service: str, path: str, *, key: str = "viewer", **query: str) -> Any:
        def within_the_rate() -> httpx.Response | None:
            answer = self._http.get(f"{self._endpoints[service]}{path}", params=query, headers=self._bearer(key))
            # A test that waits for something looks more often than a key may.
            return None if answer.status_code == 429 else answer

        answer = eventually(within_the_rate)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def pages(self, service: str, path: str, **query: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            page = self.get(service, path, **query, **cursor)
            items += page["items"]
            if page["next"] is None:
                return items
            cursor = {"cursor": page["next"]}

    def rollup(self, **query: str) -> dict[str, Any]:
        items = self.get("aggregation", "/v1/rollups", **query)["items"]
        assert len(items) == 1, items
        return dict(items[0])

    def assessment(self, target: str) -> dict[str, Any]:
        return dict(self.get("alerting", f"/v1/assessments/{target}"))

    def metric(self, name: str, **labels: str) -> float | None:
        """The value of the one series with these labels; None when there is none."""
        text = self._http.get(f"{self._endpoints['alerting']}/metrics").text
        found = [
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        assert len(found) <= 1, f"{len(found)} series of {name} match {labels}"
        return found[0] if found else None

    def _bearer(self, key: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._endpoints['keys'][key]}"}
