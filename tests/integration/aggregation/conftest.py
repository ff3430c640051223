from collections.abc import Iterator

import pytest
from integration.aggregation.keeping import Aggregation
from support.catalogue import a_catalogue
from support.stack import MigratedCopy


@pytest.fixture
def migrated_url(migrated_copy: MigratedCopy) -> Iterator[str]:
    with migrated_copy("fourones_aggregation") as url:
        yield url


@pytest.fixture
def empty(migrated_url: str) -> Iterator[Aggregation]:
    """Without a catalogue."""
    aggregation = Aggregation(migrated_url)
    yield aggregation
    aggregation.engine.dispose()


@pytest.fixture
def aggregation(empty: Aggregation) -> Aggregation:
    """With the default catalogue in force as version 1, on 15 April 2026."""
    empty.put(a_catalogue())
    return empty
