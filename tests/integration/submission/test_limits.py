"""What one client may ask of the service, and that the others do not notice it."""

import http.client
import json
import resource
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx
import pytest
from integration.submission.service import Service, a_body, a_service, with_catalogue
from support.stack import NewDatabase
from support.waiting import eventually
from unit.submission.builders import COUNTY, NOW
from unit.submission.formats.csv_files import a_file, a_row

from fourones_local import loopback
from fourones_shared.domain.clock import FixedClock
from fourones_shared.http import connections

HUGE = 200 * 1024 * 1024
MEBIBYTE = bytes(1024 * 1024)
# The body's limit is 4 MiB; the rest is what a test's own client and the garbage collector leave about.
MOST_GROWTH_KIB = 64 * 1024


@contextmanager
def connected(service: Service) -> Iterator[socket.socket]:
    """A bare connection, for what no well-behaved client sends."""
    address = urlsplit(service.url)
    with socket.create_connection((address.hostname, address.port), timeout=60) as connection:
        yield connection


def head_of(service: Service, *more: str, path: str = "/v1/submissions") -> bytes:
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {service.county}",
        "Content-Type: application/json",
        *more,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def answer_to(connection: socket.socket) -> tuple[int, dict[str, object]]:
    """Status and problem, and that the connection is closed behind it."""
    response = http.client.HTTPResponse(connection, method="POST")
    response.begin()
    problem = json.loads(response.read())
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["Connection"] == "close"
    assert problem["status"] == response.status
    return response.status, problem


def peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def others_are_answered_while(service: Service, asking: threading.Event) -> int:
    """Reports figures until the other request is over; how many were accepted meanwhile."""
    accepted = 0
    while not asking.is_set():
        assert service.post(a_body()).status_code == 202
        accepted += 1
    return accepted


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_of_200_megabytes_is_refused_and_others_are_answered_meanwhile(service: Service, announced: bool):
    answered = threading.Event()

    def send() -> httpx.Response:
        headers = {"Content-Type": "application/json"} | ({"Content-Length": str(HUGE)} if announced else {})
        chunks = (MEBIBYTE for _ in range(HUGE // len(MEBIBYTE)))
        try:
            return service.request("POST", "/v1/submissions", key=service.county, content=chunks, headers=headers)
        finally:
            answered.set()

    service.post(a_body())
    before = peak_kib()
    with ThreadPoolExecutor(2) as pool:
        sending = pool.submit(send)
        others = pool.submit(others_are_answered_while, service, answered)
    answer = sending.result()
    assert answer.status_code == 413
    assert "上限" in answer.json()["detail"]
    assert others.result() >= 1
    assert peak_kib() - before < MOST_GROWTH_KIB


def test_who_asks_first_is_told_before_it_sends_a_body_that_is_too_large(service: Service):
    with connected(service) as connection:
        connection.sendall(head_of(service, f"Content-Length: {HUGE}", "Expect: 100-continue"))
        status, problem = answer_to(connection)
    assert (status, problem["title"]) == (413, "Request Entity Too Large")


def test_who_asks_first_may_send_what_fits(service: Service):
    body = json.dumps({"org": COUNTY, "figures": [a_body()]}).encode()
    with connected(service) as connection:
        connection.sendall(head_of(service, f"Content-Length: {len(body)}", "Expect: 100-continue"))
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        response = http.client.HTTPResponse(connection, method="POST")
        response.begin()
        assert response.status == 202


@pytest.fixture(scope="module")
def hasty(new_database: NewDatabase) -> Iterator[Service]:
    """A service that waits a second for a body."""
    with new_database() as url, a_service(url, clock=FixedClock(NOW), body_timeout_s=1) as running:
        yield with_catalogue(running)


@pytest.mark.parametrize("how", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
def test_a_body_that_trickles_in_is_refused_when_its_time_is_over(hasty: Service, how: str):
    gone = threading.Event()
    before = hasty.count("submission")

    def trickle(connection: socket.socket) -> None:
        while not gone.wait(0.1):
            connection.sendall(b"1\r\n \r\n" if "chunked" in how else b" ")

    with connected(hasty) as connection, ThreadPoolExecutor(1) as pool:
        connection.sendall(head_of(hasty, how))
        sending = pool.submit(trickle, connection)
        try:
            status, problem = answer_to(connection)
        finally:
            gone.set()
        # The server closes; who goes on sending may hear so.
        assert sending.exception() is None or isinstance(sending.exception(), OSError)
    assert status == 408
    assert problem["detail"] == "请求体在 1 秒内没有传完:请检查网络后重试,或分几次报送"
    assert hasty.post(a_body()).status_code == 202
    assert hasty.count("submission") == before + 1


def test_a_sender_that_goes_away_in_the_middle_leaves_nothing_behind(service: Service):
    before = service.count("submission")
    metric = 'fourones_http_requests_total{method="POST",route="/v1/submissions",status="400"} '

    def told() -> float:
        lines = service.request("GET", "/metrics", key=None).text.splitlines()
        return next((float(line.removeprefix(metric)) for line in lines if line.startswith(metric)), 0)

    refused = told()
    with connected(service) as connection:
        connection.sendall(head_of(service, "Content-Length: 1000") + b'{"org": ')
    eventually(lambda: told() == refused + 1)
    assert service.count("submission") == before


@pytest.mark.parametrize("body", [b"[" * 200_000, b'{"a":' * 100_000, b'{"figures":' + b"[" * 4_000_000])
def test_deep_json_is_refused(service: Service, body: bytes):
    answer = service.send(body)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "not_parseable"


def test_a_deep_catalogue_is_refused(service: Service):
    answer = service.put_catalogue(b'{"plans":' + b"[" * 1_000_000, If_Match="*")
    assert answer.status_code == 400


def test_a_number_of_a_million_digits_is_refused(service: Service):
    figure = a_body(value="@")
    body = json.dumps({"org": COUNTY, "figures": [figure]}).replace('"@"', "9" * 1_000_000).encode()
    answer = service.send(body)
    assert [fault["code"] for fault in answer.json()["errors"]] == ["value_not_decimal"]
    assert len(answer.content) < 2000


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b'{"org": "3203\x0082"}', 400),
        ("application/json", b'{"org": "320382", "figures": [], "prepared_by": "\\u0000"}', 422),
        ("application/json", bytes(1000), 400),
        ("text/csv", a_file(a_row(NOTE="a\x00b")), 422),
        ("text/csv", a_file(a_row(REF_AREA="3203\x0082")), 422),
        ("text/csv", bytes(1000), 400),
    ],
)
def test_nul_bytes_are_faults(service: Service, content_type: str, body: bytes, status: int):
    answer = service.send(body, Content_Type=content_type)
    assert answer.status_code == status
    assert answer.json()["errors"]


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16", "utf-16-le", "utf-32"])
def test_json_in_another_encoding_is_refused_with_the_remedy(service: Service, encoding: str):
    body = json.dumps({"org": COUNTY, "prepared_by": "张三", "figures": [a_body()]}, ensure_ascii=False)
    answer = service.send(body.encode(encoding))
    assert answer.status_code == 400
    assert "UTF-8" in answer.json()["detail"] or "JSON" in answer.json()["detail"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
def test_a_file_in_a_wide_encoding_is_refused_with_the_remedy(service: Service, encoding: str):
    answer = service.send(a_file(a_row(NOTE="含高新区")).decode().encode(encoding), Content_Type="text/csv")
    assert answer.status_code == 400
    assert "CSV UTF-8" in answer.json()["detail"]


ONE_LARGE = ("X-Large: " + "x" * 100_000,)
MANY = tuple(f"X-{number}: {number}" for number in range(10_000))


@pytest.mark.parametrize("headers", [ONE_LARGE, MANY], ids=["one", "many"])
def test_headers_beyond_all_measure_are_refused(service: Service, headers: tuple[str, ...]):
    with connected(service) as connection:
        connection.sendall(head_of(service, *headers, "Content-Length: 0"))
        status, problem = answer_to(connection)
    assert (status, problem["title"]) == (431, "Request Header Fields Too Large")
    assert "请求头" in str(problem["detail"])
    assert service.post(a_body()).status_code == 202


def test_an_address_beyond_all_measure_is_refused(service: Service):
    with connected(service) as connection:
        connection.sendall(head_of(service, path="/v1/submissions?" + "x" * 100_000))
        assert answer_to(connection)[0] == 431


def test_a_header_that_never_ends_is_refused_without_being_kept(service: Service):
    endless = b"x" * HUGE
    before = peak_kib()
    with connected(service) as connection, ThreadPoolExecutor(1) as pool:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: ")
        sending = pool.submit(connection.sendall, endless)
        status, _ = answer_to(connection)
        connection.shutdown(socket.SHUT_RDWR)
        assert sending.exception() is None or isinstance(sending.exception(), OSError)
    assert status == 431
    assert peak_kib() - before < MOST_GROWTH_KIB


def test_large_headers_within_the_limit_are_taken(service: Service):
    more = {f"X-{number}": "x" * 1000 for number in range(50)}
    for _ in range(2):
        assert service.post(a_body(), headers=more).status_code == 202


def test_the_limit_is_that_of_one_request_not_of_a_connection(service: Service):
    headers = {"Authorization": f"Bearer {service.county}"} | {f"X-{number}": "x" * 1000 for number in range(40)}
    with loopback.client(base_url=service.url, timeout=30) as client:
        answers = [client.post("/v1/submissions", json={"org": COUNTY, "figures": [a_body()]}, headers=headers)]
        answers += [client.get("/v1/submissions", headers=headers) for _ in range(5)]
    assert {answer.status_code for answer in answers} == {200, 202}


@pytest.mark.parametrize("sent", [b"GET /readyz HTTP/1.1\r\nHost: ", b"GE"])
def test_a_head_that_is_not_ended_in_time_is_refused(service: Service, sent: bytes, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connections, "HEAD_TIMEOUT_S", 0.5)
    with connected(service) as connection:
        connection.sendall(sent)
        status, problem = answer_to(connection)
    assert status == 408
    assert "请求头" in str(problem["detail"])


def test_a_connection_without_a_request_is_closed(service: Service, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connections, "HEAD_TIMEOUT_S", 0.5)
    with connected(service) as connection:
        assert connection.recv(100) == b""


def test_what_is_no_http_is_answered_with_a_problem(service: Service):
    with connected(service) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS greeting\r\n\r\n")
        status, problem = answer_to(connection)
    assert status == 400
    assert "HTTP" in str(problem["detail"])


@pytest.mark.parametrize("at_once", [True, False], ids=["in one piece", "body after its head"])
def test_a_client_that_offers_another_protocol_is_served_in_this_one(service: Service, at_once: bool):
    # As Java's own client does by default; what it offers may be left alone (RFC 9110, section 7.8).
    body = json.dumps({"org": COUNTY, "figures": [a_body()]}).encode()
    offer = "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAEAAEAAAAIAAAAB", "Upgrade: h2c"
    head = head_of(service, *offer, f"Content-Length: {len(body)}")
    with connected(service) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in [head + body] if at_once else [head, body]:
            connection.sendall(part)
        response = http.client.HTTPResponse(connection, method="POST")
        response.begin()
        assert response.status == 202, response.read()


def test_the_limits_are_documented(service: Service):
    document = service.request("GET", "/openapi.json", key=None).json()
    for path, method in (("/v1/submissions", "post"), ("/v1/catalogue", "put")):
        assert {"408", "413", "415"} <= set(document["paths"][path][method]["responses"])
