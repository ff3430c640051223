"""Repeats what may be repeated, waits as it is asked to, and tells refusals from outages."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from fourones.client import Api, Problem, Timing
from fourones.errors import Misused, Unavailable


class Time:
    """Passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def timing(self, patience: float = 60.0, chance: float = 0.0) -> Timing:
        return Timing(patience=patience, sleep=self.sleep, now=lambda: self.now, chance=lambda: chance)


def api(answers, time, **timing):
    """A client whose service gives these answers in order, then 200."""
    left = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        following = left.pop(0) if left else httpx.Response(200, json={})
        if isinstance(following, Exception):
            raise following
        return following

    return Api("http://service", "key", timing=time.timing(**timing), transport=httpx.MockTransport(answer))


def busy(status=503, **headers):
    return httpx.Response(status, headers={name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize("answer", [busy(429), busy(503), busy(502), busy(504), httpx.ConnectError("refused")])
def test_a_service_that_is_away_or_busy_is_asked_again(answer):
    time = Time()
    assert api([answer, answer], time).call("GET", "/v1/catalogue").status_code == 200
    assert len(time.slept) == 2


def test_each_wait_is_longer_up_to_a_limit():
    time = Time()
    api([busy()] * 12, time, patience=1e6).call("GET", "/x")
    assert time.slept[:3] == [0.125, 0.25, 0.5]
    assert time.slept[-1] == time.slept[-2] == 7.5


def test_many_that_wait_do_not_return_at_once():
    spread = set()
    for chance in (0.0, 0.5, 0.99):
        time = Time()
        api([busy()], time, chance=chance).call("GET", "/x")
        spread.update(time.slept)
    assert len(spread) == 3


def test_the_service_says_when_to_return():
    time = Time()
    api([busy(429, Retry_After="7")], time).call("GET", "/x")
    assert time.slept == [7.0]


def test_the_service_may_say_it_as_a_date():
    time = Time()
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    api([busy(503, Retry_After=moment)], time).call("GET", "/x")
    assert 25 < time.slept[0] <= 30


def test_a_retry_after_that_means_nothing_is_as_good_as_none():
    time = Time()
    api([busy(503, Retry_After="soon")], time).call("GET", "/x")
    assert time.slept == [0.125]


def test_patience_ends():
    time = Time()
    with pytest.raises(Unavailable, match="503"):
        api([busy()] * 1000, time, patience=10).call("GET", "/x")
    assert time.now <= 10


def test_a_wait_beyond_patience_is_not_begun():
    time = Time()
    with pytest.raises(Unavailable):
        api([busy(503, Retry_After="3600")], time).call("GET", "/x")
    assert time.slept == []


def test_a_refusal_is_not_repeated_and_brings_its_faults():
    time = Time()
    body = {"detail": "有误", "errors": [{"pointer": "/figures/0/unit", "code": "unit_wrong", "detail": "应为亿元"}]}
    with pytest.raises(Problem) as refused:
        api([httpx.Response(422, json=body)], time).call("POST", "/v1/submissions")
    assert (refused.value.status, refused.value.detail, len(refused.value.errors)) == (422, "有误", 1)
    assert time.slept == []


def test_a_refusal_without_a_problem_document_is_told_by_its_status():
    with pytest.raises(Problem, match="Not Found"):
        api([httpx.Response(404, text="<html>")], Time()).call("GET", "/x")


def test_a_fault_of_the_server_is_no_refusal():
    with pytest.raises(Unavailable, match="500"):
        api([httpx.Response(500)], Time()).call("GET", "/x")


def test_a_submission_that_is_still_being_taken_in_is_asked_for_again():
    time = Time()
    client = api([httpx.Response(409, json={})], time)
    assert client.call("POST", "/v1/submissions", headers={"Idempotency-Key": "k"}).status_code == 200
    with pytest.raises(Problem):
        api([httpx.Response(409, json={})], Time()).call("POST", "/v1/problems/1/close")


def test_all_pages_of_a_list_are_read():
    pages = [{"items": [{"n": 1}, {"n": 2}], "next": "c"}, {"items": [{"n": 3}], "next": None}]
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(dict(request.url.params))
        return httpx.Response(200, json=pages[len(asked) - 1])

    client = Api("http://service", "key", transport=httpx.MockTransport(answer))
    assert [item["n"] for item in client.pages("/v1/assessments", {"plan": "p"})] == [1, 2, 3]
    assert asked == [{"plan": "p"}, {"plan": "p", "cursor": "c"}]


@pytest.mark.parametrize(
    ("url", "key"), [("127.0.0.1:8001", "k"), ("ftp://x", "k"), ("http://x", ""), ("http://x", "密")]
)
def test_an_address_or_a_key_that_cannot_be_one_is_a_misuse(url, key):
    with pytest.raises(Misused):
        Api(url, key)


def test_another_key_goes_over_the_same_connections():
    borne = []

    def answer(request: httpx.Request) -> httpx.Response:
        borne.append(request.headers["Authorization"])
        return httpx.Response(200, json={})

    with Api("http://service", "one", transport=httpx.MockTransport(answer)) as client:
        client.bearing("two").call("GET", "/x")
        client.call("GET", "/x", headers={"Idempotency-Key": "i"})
        with pytest.raises(Misused):
            client.bearing("")
    assert borne == ["Bearer two", "Bearer one"]
