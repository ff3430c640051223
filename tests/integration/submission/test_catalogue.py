import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from integration.submission.service import Service, a_body, a_service
from unit.submission.builders import DEFAULT_INDICATORS, a_catalogue, an_indicator

from fourones_shared.catalogue.model import Catalogue
from fourones_shared.events.envelope import data_of, unwrap
from fourones_shared.events.model import CataloguePublished, Role

SMALLER = a_catalogue(*DEFAULT_INDICATORS[:2])


@pytest.fixture
def service(database_url: str) -> Iterator[Service]:
    with a_service(database_url) as running:
        yield running


def test_before_the_first_catalogue_everything_says_so(service: Service):
    assert service.get("/v1/catalogue").status_code == 404
    answer = service.post(a_body())
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert service.request("GET", "/readyz", key=None).status_code == 503
    assert service.request("GET", "/healthz", key=None).status_code == 200


def test_the_first_catalogue_becomes_version_one_and_is_in_force_at_once(service: Service):
    answer = service.put_catalogue(a_catalogue(), If_None_Match="*")
    assert (answer.status_code, answer.json()) == (201, {"version": 1, "changed": True})
    assert answer.headers["ETag"] == '"1"'
    read = service.get("/v1/catalogue")
    assert read.headers["ETag"] == '"1"'
    assert Catalogue.model_validate(read.json()) == a_catalogue()
    assert service.request("GET", "/readyz", key=None).status_code == 200


def test_an_unchanged_catalogue_makes_no_version_and_no_event(service: Service):
    service.put_catalogue(a_catalogue(), If_None_Match="*")
    before = service.count("outbox")
    # As somebody else would write it: other order of keys, other white space.
    document = json.dumps(json.loads(a_catalogue().document), indent=2, sort_keys=False).encode()
    answer = service.put_catalogue(document, If_Match='"1"')
    assert (answer.status_code, answer.json()) == (200, {"version": 1, "changed": False})
    assert service.count("outbox") == before


def test_every_version_is_kept_and_told_once(service: Service):
    service.put_catalogue(a_catalogue(), If_None_Match="*")
    assert service.put_catalogue(SMALLER, If_Match='"1"').json() == {"version": 2, "changed": True}
    assert service.put_catalogue(a_catalogue(), If_Match='"2"').json() == {"version": 3, "changed": True}
    assert [row.version for row in service.rows("SELECT version FROM catalogue_version ORDER BY 1")] == [1, 2, 3]
    rows = service.rows("SELECT * FROM outbox WHERE topic = 'catalogue-published' ORDER BY outbox_id")
    events = [
        data_of(unwrap(bytes(r.value), [(k, v.encode()) for k, v in r.headers.items()]), CataloguePublished)
        for r in rows
    ]
    assert [event.version for event in events] == [1, 2, 3]
    assert Catalogue.model_validate(events[1].catalogue) == SMALLER


def test_a_stale_editor_is_refused(service: Service):
    service.put_catalogue(a_catalogue(), If_None_Match="*")
    service.put_catalogue(SMALLER, If_Match='"1"')
    stale = service.put_catalogue(a_catalogue(), If_Match='"1"')
    assert (stale.status_code, stale.headers["ETag"]) == (412, '"2"')
    assert service.put_catalogue(a_catalogue(), If_None_Match="*").status_code == 412
    assert service.put_catalogue(a_catalogue()).status_code == 428


def test_of_editors_at_once_one_wins(service: Service):
    service.put_catalogue(a_catalogue(), If_None_Match="*")
    drafts = [a_catalogue(an_indicator(decimals=n)) for n in range(6)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda draft: service.put_catalogue(draft, If_Match='"1"').status_code, drafts))
    assert sorted(answers) == [201] + [412] * 5


def test_only_an_administrator_puts_a_catalogue(service: Service):
    for key in (service.county, service.issue(Role.COORDINATOR), service.issue(Role.VIEWER)):
        assert service.put_catalogue(a_catalogue(), key=key, If_None_Match="*").status_code == 403
    assert service.count("catalogue_version") == 0


def test_a_catalogue_with_faults_is_refused_with_all_of_them(service: Service):
    document = json.loads(a_catalogue().document)
    document["indicators"][0]["unit"] = 5
    document["clusters"][1]["lead"] = "nobody"
    answer = service.put_catalogue(json.dumps(document).encode(), If_None_Match="*")
    assert answer.status_code == 422
    assert {"/indicators/0/unit", "/clusters/1/lead"} <= {fault["pointer"] for fault in answer.json()["errors"]}
    assert service.put_catalogue(b"[1]", If_None_Match="*").status_code == 422
    assert service.put_catalogue(b"{", If_None_Match="*").status_code == 400


def test_a_reader_that_has_the_version_is_not_sent_it_again(service: Service):
    service.put_catalogue(a_catalogue(), If_None_Match="*")
    for header in ('"1"', 'W/"1"', '"7", "1"', "*"):
        answer = service.get("/v1/catalogue", headers={"If-None-Match": header})
        assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", '"1"')
    assert service.get("/v1/catalogue", headers={"If-None-Match": '"2"'}).status_code == 200
