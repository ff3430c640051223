"""What locust runs: users that call when they are due, the shape of the night, and the verdict at its end."""

from __future__ import annotations

import sys
import time
import traceback
from typing import Any, NoReturn

import gevent  # type: ignore[import-untyped]
from locust import LoadTestShape, User, events, task  # type: ignore[import-not-found]
from locust.runners import LocalRunner  # type: ignore[import-not-found]

from load.county_systems.campaign import STARTED_A_SECOND, Campaign, markdown
from load.county_systems.connections import Connection, Unreachable
from load.county_systems.counties import Call
from load.county_systems.options import Options, add_options
from load.county_systems.places import NotUsable

# Neither a threshold that was missed (1) nor a run that was concluded at all.
_BROKEN_OFF = 2
_FOR_EVER_S = 1e6
# Who has nothing more to say for so long hangs up: counties do not hold thousands of connections, and no server or
# proxy closes one that is idle so early, while a question is on its way.
_HANGS_UP_S = 2.0

_campaign: Campaign | None = None

events.init_command_line_parser.add_listener(add_options)


@events.init.add_listener  # type: ignore[untyped-decorator]
def prepare(environment: Any, **_: Any) -> None:
    """Find out what there is to report, before the first call."""
    global _campaign  # noqa: PLW0603 - locust makes the users itself and hands them nothing
    if not isinstance(environment.runner, LocalRunner):
        _end("the scenario runs in one process: what was accepted is counted in it")
    try:
        _campaign = Campaign(Options(environment.parsed_options))
    except (NotUsable, Unreachable, OSError) as error:
        _end(str(error))
    except Exception:
        # locust would log it and go on.
        _end(traceback.format_exc())
    environment.process_exit_code = _BROKEN_OFF


@events.test_start.add_listener  # type: ignore[untyped-decorator]
def begin(**_: Any) -> None:
    """The schedule counts from here."""
    campaign = _the_campaign()
    _say(
        f"{campaign.counties:,} virtual counties of {campaign.organisations} organisations,"
        f" about {campaign.profile.calls:,.0f} calls in {campaign.profile.seconds:,.0f} s"
    )
    assert campaign.began
    gevent.spawn(campaign.sample)


@events.test_stop.add_listener  # type: ignore[untyped-decorator]
def conclude(environment: Any, **_: Any) -> None:
    """Judge, unless it was broken off."""
    campaign = _the_campaign()
    if not campaign.over:
        _say("broken off")
        return
    try:
        summary = campaign.conclude()
    except (Unreachable, OSError) as error:
        _say(f"what became of it all could not be found out: {error}")
        return
    _say(markdown(summary, campaign.thresholds))
    environment.process_exit_code = 0 if summary["passed"] else 1


class Night(LoadTestShape):  # type: ignore[misc]
    """All users from the beginning to the end: the rate is in their schedules (`arrivals.py`)."""

    use_common_options = True

    def tick(self) -> tuple[int, float] | None:
        """How many users there should be; None at the end."""
        campaign = _the_campaign()
        return None if campaign.over else (campaign.counties, STARTED_A_SECOND)


class CountySystem(User):  # type: ignore[misc]
    """A virtual county that calls at the moments of its schedule, or at once when it is behind."""

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self._campaign = _the_campaign()
        self._county, self._moments = self._campaign.newcomer()
        self._due: float | None = None
        self._connections: dict[str, Connection] = {}

    def wait_time(self) -> float:
        """Until the next call is due."""
        self._due = next(self._moments, None)
        left = _FOR_EVER_S if self._due is None else max(0.0, self._due - time.monotonic())
        if left > _HANGS_UP_S:
            self._hang_up()
        return left

    @task  # type: ignore[untyped-decorator]
    def call(self) -> None:
        """Do what is due; the very first time nothing is yet."""
        if self._due is not None:
            self._do(self._county.next(), self._due)

    def on_stop(self) -> None:
        """What locust calls at the end."""
        self._hang_up()

    def _hang_up(self) -> None:
        for connection in self._connections.values():
            connection.close()

    def _do(self, call: Call, due: float) -> None:
        campaign = self._campaign
        connection = self._connections.get(call.service)
        if connection is None:
            connection = self._connections[call.service] = campaign.places.connection(call.service)
        headers = campaign.places.bearer(self._county.org)
        if call.body is not None:
            headers |= {"Content-Type": "application/json", "Idempotency-Key": str(call.idempotency_key)}
        reopened, sent, size = connection.reopened, time.monotonic(), 0
        try:
            status, body = connection.ask(call.method, call.path, call.body, headers)
            answered = time.monotonic()
            size = len(body)
            complaint = self._county.answered(call, status, body)
        except Unreachable as error:
            answered = time.monotonic()
            self._county.unanswered(call)
            complaint = str(error)
        campaign.measured.reopened += connection.reopened - reopened
        campaign.answered(call.kind, due=due, sent=sent, answered=answered, complaint=complaint)
        self.environment.events.request.fire(
            request_type=call.method,
            name=call.kind.value.removeprefix(f"{call.method} "),
            # From the moment at which it was due, in locust's report as in ours.
            response_time=(answered - due) * 1000,
            response_length=size,
            exception=None if complaint is None else AssertionError(complaint),
            context={},
        )


def _the_campaign() -> Campaign:
    if _campaign is None:
        raise RuntimeError("locust has not been initialised")
    return _campaign


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _end(text: str) -> NoReturn:
    _say(text)
    sys.exit(_BROKEN_OFF)
