from collections.abc import Iterator
from contextlib import closing

import pytest
from faults.killing import SecondWorker, Victims
from support.system import SystemClient

from fourones_local.stack import Stack


@pytest.fixture
def system(whole_system: Stack) -> Iterator[SystemClient]:
    with closing(SystemClient(whole_system.endpoints)) as client:
        yield client


@pytest.fixture
def victims(whole_system: Stack) -> Iterator[Victims]:
    """The system with a second worker of aggregation."""
    second = SecondWorker(whole_system)
    victims = Victims(whole_system, second)
    second.start()
    try:
        victims.wait_ready()
        yield victims
        # The next test finds the system whole.
        victims.wait_ready()
    finally:
        second.end()
