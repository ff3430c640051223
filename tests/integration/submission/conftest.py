from collections.abc import Iterator

import pytest
from integration.submission.service import Service, a_service, with_catalogue
from support.stack import NewDatabase
from unit.submission.builders import NOW

from fourones_shared.domain.clock import FixedClock


@pytest.fixture(scope="module")
def service(new_database: NewDatabase) -> Iterator[Service]:
    """One API for the module's tests, at the builders' moment, with their catalogue."""
    with new_database() as url, a_service(url, clock=FixedClock(NOW)) as running:
        yield with_catalogue(running)
