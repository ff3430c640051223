from collections.abc import Iterator

import pytest
from integration.alerting.service import Service, a_service
from support.stack import MigratedCopy

from fourones_alerting.bootstrap import PACKAGE


@pytest.fixture
def migrated_url(migrated_copy: MigratedCopy) -> Iterator[str]:
    with migrated_copy(PACKAGE) as url:
        yield url


@pytest.fixture
def service(kafka_bootstrap: str, migrated_url: str, topic_prefix: str) -> Iterator[Service]:
    """A service that knows the catalogue and a viewer's key as soon as it runs."""
    with a_service(kafka_bootstrap, migrated_url, topic_prefix) as made:
        made.publisher.publish_catalogue()
        made.key = made.publisher.grant()
        yield made
