"""A consumer that hangs is noticed from outside of it."""

import threading
import time

import pytest
from sqlalchemy import create_engine

from fourones_shared.errors import Stop
from fourones_shared.kafka.consumer import ConsumerLoop
from fourones_shared.reference import ReferenceHandler


def a_loop(stuck_after_s):
    return ConsumerLoop(
        group="watched",
        topics=["catalogue-published"],
        handler=ReferenceHandler(),
        engine=create_engine("postgresql+psycopg://nobody@127.0.0.1:1/nothing"),
        bootstrap="127.0.0.1:1",
        stuck_after_s=stuck_after_s,
    )


def test_a_loop_that_is_not_heard_of_any_more_ends_the_process():
    loop = a_loop(stuck_after_s=0.02)
    loop._heard_at = time.monotonic()
    with pytest.raises(Stop, match="has not polled"):
        loop.watch(threading.Event())


def test_a_loop_that_is_told_to_stop_ends_its_watch_quietly():
    stop = threading.Event()
    stop.set()
    a_loop(stuck_after_s=0.02).watch(stop)
