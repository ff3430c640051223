"""A submission service in a few lines: it remembers what it is sent, and answers what it is told to."""

import json
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class FakeService:
    """Listens on a free port. `answers` come first, in order; then it behaves.

    Attributes:
        requests: what came in: method, path, headers, body.
        answers: (status, headers, body) to give instead of behaving.
        catalogue: the document in force, with its version.
        remembered: answers by idempotency key; each submission is applied at the second look.
        pages: pages of a list, whichever is asked for.
        template: the bytes of the workbook.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.answers: deque[tuple[int, dict[str, str], Any]] = deque()
        self.version = 0
        self.catalogue: Any = None
        self.remembered: dict[str, dict[str, Any]] = {}
        self.looks: dict[str, int] = {}
        self.pages: list[list[dict[str, Any]]] = [[]]
        self.template = b"PK workbook"
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def posted(self) -> list[dict[str, Any]]:
        """The bodies of the submissions that came in, each time they came."""
        return [json.loads(body) for method, path, _, body in self.requests if method == "POST"]

    def keys(self) -> list[str]:
        """The keys that submissions bore."""
        return [
            headers["authorization"].removeprefix("Bearer ")
            for method, _, headers, _ in self.requests
            if method == "POST"
        ]

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], Any]:
        self.requests.append((method, path, headers, body))
        if self.answers:
            return self.answers.popleft()
        if path == "/v1/catalogue":
            return self._get() if method == "GET" else self._put(headers, body)
        if method == "POST":
            return self._submit(path, headers, body)
        if path.startswith("/v1/template.xlsx"):
            return 200, {}, self.template
        if path.partition("?")[0] in {"/v1/assessments", "/v1/obligations", "/v1/submissions"}:
            return self._page(path)
        return self._receipt(path.rpartition("/")[2])

    def _get(self) -> tuple[int, dict[str, str], Any]:
        if self.catalogue is None:
            return 404, {}, {"detail": "尚未发布数据字典"}
        return 200, {"ETag": f'"{self.version}"'}, self.catalogue

    def _put(self, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], Any]:
        fits = headers.get("if-match") == f'"{self.version}"' if self.version else headers.get("if-none-match") == "*"
        if not fits:
            return 412, {}, {"detail": "与前提不符"}
        self.catalogue, self.version = json.loads(body), self.version + 1
        return 201, {"ETag": f'"{self.version}"'}, {"version": self.version, "changed": True}

    def _submit(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], Any]:
        if headers["content-type"] == "application/json":
            content = json.loads(body)
            told = {"org": content["org"], "figures": len(content["figures"]), "warnings": []}
        else:
            told = {"org": "of-the-file", "figures": body.count(b"\n") - 1, "warnings": []}
        if "dry_run=true" in path:
            return 200, {}, told | {"status": "checked"}
        key = headers["idempotency-key"]
        made = told | {"submission_id": f"id-{len(self.remembered) + 1}", "status": "accepted"}
        return 202, {}, self.remembered.setdefault(key, made)

    def _receipt(self, name: str) -> tuple[int, dict[str, str], Any]:
        found = next((a for a in self.remembered.values() if a["submission_id"] == name), None)
        if found is None:
            return 404, {}, {"detail": "没有这份报送"}
        self.looks[name] = self.looks.get(name, 0) + 1
        return 200, {}, found | {"status": "applied" if self.looks[name] > 1 else "published"}

    def _page(self, path: str) -> tuple[int, dict[str, str], Any]:
        number = int(path.rpartition("cursor=")[2]) if "cursor=" in path else 0
        following = str(number + 1) if number + 1 < len(self.pages) else None
        return 200, {}, {"items": self.pages[number], "next": following}


def _handler(service: FakeService) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, more, content = service.answer(self.command, self.path, headers, body)
            encoded = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in more.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        do_GET = do_PUT = do_POST = _answer  # noqa: N815 - the library's names

        def log_message(self, *_: object) -> None:
            """Nothing on standard error."""

    return Handler
