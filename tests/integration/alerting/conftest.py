from collections.abc import Iterator

import pytest
from integration.alerting.service import Service, a_service


@pytest.fixture
def service(kafka_bootstrap: str, database_url: str, topic_prefix: str) -> Iterator[Service]:
    """A service that knows the catalogue and a viewer's key as soon as it runs."""
    with a_service(kafka_bootstrap, database_url, topic_prefix) as made:
        made.publisher.publish_catalogue()
        made.key = made.publisher.grant()
        yield made
