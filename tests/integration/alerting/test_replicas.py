"""Two APIs on one database: each shows the whole set, and neither's coming or going raises or resolves anything."""

from __future__ import annotations

from collections.abc import Iterable

from integration.alerting.service import Reader, Service, running
from prometheus_client.parser import text_string_to_metric_families
from support.waiting import eventually
from unit.alerting.builders import ENERGY, ENERGY_TARGET, SCALE_TARGET, SMES_TARGET, a_catalogue, a_rollup, a_target

from fourones_alerting import bootstrap
from fourones_local import loopback
from fourones_shared.access.rates import LARGEST_LEASE

DOMAIN = ("fourones_target_", "fourones_indicator_", "fourones_rollup_", "fourones_reports_")
Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def shown(*readers: Reader) -> Series:
    """The domain's series as rules see them: the largest over all replicas that answer."""
    found: Series = {}
    for reader in readers:
        answer = loopback.get(f"{reader.url}/metrics", timeout=30)
        for name, labels, value in _samples(answer.text):
            key = name, tuple(sorted(labels.items()))
            found[key] = max(found.get(key, value), value)
    return found


def _samples(text: str) -> Iterable[tuple[str, dict[str, str], float]]:
    for family in text_string_to_metric_families(text):
        if family.name.startswith(DOMAIN):
            for sample in family.samples:
                yield sample.name, sample.labels, sample.value


def _firing(series: Series) -> set[str]:
    return {
        dict(labels)["target"]
        for (name, labels), value in series.items()
        if name == "fourones_target_off_track" and value == 1
    }


def test_each_replica_shows_the_whole_set_and_one_that_goes_takes_nothing_along(service: Service) -> None:
    with service.worker(), service.api() as stays:
        service.publisher.publish(a_rollup("20"), a_rollup("18", indicator=ENERGY, period="2024"))
        eventually(lambda: _firing(shown(stays)) == {SMES_TARGET})
        alone = shown(stays)
        with service.api(ready=False) as other:
            # The very first scrape of a replica that has just started is whole already.
            assert shown(other) == alone
            assert shown(stays, other) == alone
            service.publisher.publish(a_rollup("50", version=2))
            eventually(lambda: _firing(shown(stays, other)) == set())
            eventually(lambda: shown(other) == shown(stays))
            both = shown(stays, other)
        assert shown(stays) == both
        with service.api() as back:
            assert shown(back) == shown(stays) == both


def test_a_removed_target_leaves_no_series_on_any_replica(service: Service) -> None:
    with service.worker(), service.api() as one, service.api() as other:
        service.publisher.publish(a_rollup("20"))
        eventually(lambda: _firing(shown(one)) == _firing(shown(other)) == {SMES_TARGET})
        service.publisher.publish_catalogue(a_catalogue(targets=[a_target("another", value="10")]), version=2)
        for reader in (one, other):
            eventually(lambda reader=reader: _targets(shown(reader)) == {"another"})  # type: ignore[misc]
        # A worker that starts or stops changes nothing that is shown.
    with service.api() as later:
        before = shown(later)
        with service.worker():
            assert shown(later) == before
        assert shown(later) == before
    assert _targets(before) == {"another"}


def _targets(series: Series) -> set[str]:
    return {dict(labels)["target"] for (_, labels) in series}


def test_nothing_is_shown_of_a_database_that_has_judged_nothing(service: Service) -> None:
    with service.api(ready=False) as reader:
        assert shown(reader) == {}
    with service.worker(), service.api() as reader:
        eventually(lambda: _targets(shown(reader)) == {SMES_TARGET, SCALE_TARGET, ENERGY_TARGET})


def test_a_key_is_held_to_its_rate_over_all_replicas(service: Service) -> None:
    limited = service.settings.model_copy(update={"requests_per_second": 1, "request_burst": 3})
    with (
        service.worker(),
        running(bootstrap.api(limited, service.clock)) as first,
        running(bootstrap.api(limited, service.clock)) as second,
    ):
        readers = [Reader(url, service.key) for url in (first, second)]
        for reader in readers:
            eventually(lambda reader=reader: _is_ready(reader))  # type: ignore[misc]
        answers = [readers[n % 2].get("/v1/assessments") for n in range(3 + LARGEST_LEASE)]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert refused
        assert int(refused[0].headers["Retry-After"]) >= 1
        assert refused[0].headers["content-type"].startswith("application/problem+json")
        # Whoever comes without a key, such as Prometheus, is not counted.
        assert loopback.get(f"{first}/metrics").status_code == 200


def _is_ready(reader: Reader) -> bool:
    return loopback.get(f"{reader.url}/readyz").status_code == 200
