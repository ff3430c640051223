from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pytest

from fourones_shared.catalogue.model import Catalogue
from fourones_shared.contracts.schemas import all_schemas, released, schema_id
from fourones_shared.events.envelope import data_of, unwrap, wrap
from fourones_shared.events.model import ALL, CataloguePublished, EventData
from fourones_shared.topics import all_topics, contract_folder

KINDS = {kind.TYPE: kind for kind in ALL}
EXAMPLES = sorted(contract_folder("examples").glob("*/*.json"))


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@pytest.fixture(params=EXAMPLES, ids=_name)
def path(request: pytest.FixtureRequest) -> Path:
    chosen: Path = request.param
    return chosen


@pytest.fixture
def example(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = orjson.loads(path.read_bytes())
    return content


@pytest.fixture
def decoded(path: Path, example: dict[str, Any]) -> EventData:
    headers = [(name, value.encode()) for name, value in example["headers"].items()]
    return data_of(unwrap(orjson.dumps(example["data"]), headers), KINDS[path.parent.name])


def test_it_decodes_and_says_the_same_when_it_is_written_again(example: dict[str, Any], decoded: EventData) -> None:
    again = orjson.loads(decoded.model_dump_json())

    # A newer writer says more; what the example said stays as it was.
    assert {name: again[name] for name in example["data"]} == example["data"]


def test_its_key_is_the_one_its_topic_is_keyed_by(example: dict[str, Any], decoded: EventData) -> None:
    assert decoded.partition_key() == example["key"]


def test_it_matches_the_schema_and_every_released_one(path: Path, example: dict[str, Any]) -> None:
    for schema in [all_schemas()[path.parent.name], *released()[path.parent.name].values()]:
        validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
        validator.validate(example["data"])


def test_its_headers_are_those_of_its_type(path: Path, example: dict[str, Any], decoded: EventData) -> None:
    envelope = unwrap(b"{}", [(name, value.encode()) for name, value in example["headers"].items()])
    assert envelope.time is not None
    wire = wrap(
        decoded, event_id=envelope.id, source=envelope.source, time=envelope.time, traceparent=envelope.traceparent
    )

    assert {name: value.decode() for name, value in wire.headers} == example["headers"]
    assert example["headers"]["ce_dataschema"] == schema_id(path.parent.name)
    assert path.parent.name in all_topics()[decoded.TOPIC].events


def test_its_catalogue_can_still_be_put_in_force(decoded: EventData) -> None:
    if isinstance(decoded, CataloguePublished):
        catalogue = Catalogue.model_validate(decoded.catalogue)
        assert catalogue.organisations


def test_every_type_has_examples_with_chinese_text() -> None:
    for kind in ALL:
        texts = [path.read_text(encoding="utf-8") for path in EXAMPLES if path.parent.name == kind.TYPE]
        assert len(texts) >= 2, kind.TYPE
        assert any("一" <= letter <= "鿿" for text in texts for letter in text), kind.TYPE


def test_no_example_is_of_a_type_that_is_not_known_any_more() -> None:
    assert {path.parent.name for path in EXAMPLES} <= KINDS.keys()
