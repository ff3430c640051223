"""Posting as many counties' systems do: connections that stay open, a key for every repetition."""

from __future__ import annotations

import http.client
import json
import queue
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import urlsplit

from load.system import System
from load.workload import Submission

# Enough that the API's database pool shares a commit's flush, and no more threads than that here.
CONNECTIONS = 16
_TIMEOUT_S = 60.0
_TRIALS = 20
_PUT_OFF_S = 0.2
_PAUSE = threading.Event()


class Connection:
    """One connection to an API that is opened again when the server has closed it.

    Attributes:
        put_off: how often the service asked to come again later.
    """

    def __init__(self, url: str) -> None:
        self._http = http.client.HTTPConnection(urlsplit(url).netloc, timeout=_TIMEOUT_S)
        self.put_off = 0

    def post(self, body: bytes, headers: dict[str, str]) -> dict[str, object]:
        """Post a submission; the answer's document.

        Raises:
            RuntimeError: it was not accepted.
        """
        # The same key every time: what was accepted is answered as at the first time.
        once = headers | {"Idempotency-Key": uuid.uuid4().hex, "Content-Type": "application/json"}
        status, document = 0, b""
        for _ in range(_TRIALS):
            try:
                status, document = self._ask("POST", "/v1/submissions", body, once)
            except (http.client.HTTPException, ConnectionError):
                self._http.close()
                continue
            if status != HTTPStatus.SERVICE_UNAVAILABLE:
                break
            self.put_off += 1
            _PAUSE.wait(_PUT_OFF_S)
        if status != HTTPStatus.ACCEPTED:
            raise RuntimeError(f"not accepted: {status} {document[:500]!r}")
        return dict(json.loads(document))

    def get(self, path: str, headers: dict[str, str]) -> dict[str, object]:
        """Get a document.

        Raises:
            RuntimeError: there is none.
        """
        status, document = self._ask("GET", path, None, headers)
        if status != HTTPStatus.OK:
            raise RuntimeError(f"{path}: {status} {document[:500]!r}")
        return dict(json.loads(document))

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def _ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, bytes]:
        self._http.request(method, path, body=body, headers=headers)
        answer = self._http.getresponse()
        return answer.status, answer.read()


@dataclass
class Posted:
    """What was accepted: each submission with its sequence; how long its POST took, and what was said beside it."""

    accepted: list[tuple[Submission, int]] = field(default_factory=list)
    took_s: list[float] = field(default_factory=list)
    warnings: int = 0
    put_off: int = 0
    seconds: float = 0.0


Prepared = Sequence[tuple[Submission, bytes]]
"""Submissions with their bodies."""


def prepared(submissions: Sequence[Submission]) -> Prepared:
    """Make the bodies, before any clock runs: a county's system has its figures ready."""
    return [(sent, sent.body()) for sent in submissions]


def post_all(system: System, bodies: Prepared, *, connections: int = CONNECTIONS) -> Posted:
    """Post them in about this order, as fast as they are accepted.

    Raises:
        RuntimeError: one of them was not accepted.
    """
    waiting: queue.SimpleQueue[tuple[Submission, bytes]] = queue.SimpleQueue()
    for one in bodies:
        waiting.put(one)
    url = system.stack.url("submission-api")
    bearers = {org: system.bearer(org) for org in {sent.org_id for sent, _ in bodies}}
    posted = Posted()
    failures: list[BaseException] = []
    guard = threading.Lock()

    def work() -> None:
        connection = Connection(url)
        try:
            while not failures:
                try:
                    sent, body = waiting.get_nowait()
                except queue.Empty:
                    return
                began = time.perf_counter()
                answer = connection.post(body, bearers[sent.org_id])
                took = time.perf_counter() - began
                with guard:
                    posted.accepted.append((sent, int(str(answer["sequence"]))))
                    posted.took_s.append(took)
                    posted.warnings += len(answer.get("warnings") or [])  # type: ignore[arg-type]
        except Exception as error:
            failures.append(error)
        finally:
            with guard:
                posted.put_off += connection.put_off
            connection.close()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(connections)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    posted.seconds = time.perf_counter() - began
    if failures:
        raise RuntimeError("posting failed") from failures[0]
    return posted
