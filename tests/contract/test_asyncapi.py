from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pytest
import yaml

from fourones_shared.contracts.asyncapi import asyncapi_document
from fourones_shared.events.model import ALL
from fourones_shared.topics import all_topics, contract_folder

OFFICIAL = Path(__file__).parent / "asyncapi" / "3.0.0.json"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The committed file, as a subscriber reads it."""
    text = (contract_folder("topics").parent / "asyncapi.yaml").read_text(encoding="utf-8")
    content: dict[str, Any] = yaml.safe_load(text)
    return content


def test_it_is_what_the_models_and_topics_say(document: dict[str, Any]) -> None:
    assert document == asyncapi_document()


def test_it_is_valid_by_the_official_schema(document: dict[str, Any]) -> None:
    jsonschema.Draft7Validator(orjson.loads(OFFICIAL.read_bytes())).validate(document)


def test_the_official_schema_would_have_found_a_fault(document: dict[str, Any]) -> None:
    broken = document | {"operations": {"write": {"action": "shout", "channel": {"$ref": "#/channels/none"}}}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(orjson.loads(OFFICIAL.read_bytes())).validate(broken)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    def references(part: Any) -> Any:
        if isinstance(part, dict):
            for name, value in part.items():
                if name == "$ref":
                    yield value
                else:
                    yield from references(value)
        elif isinstance(part, list):
            for value in part:
                yield from references(value)

    found = list(references(document))
    assert len(found) > 20
    for reference in found:
        assert _at(document, reference) is not None


def test_every_topic_is_a_channel_and_every_type_a_message(document: dict[str, Any]) -> None:
    assert document["channels"].keys() == all_topics().keys()
    assert {message["name"] for message in document["components"]["messages"].values()} == {k.TYPE for k in ALL}
    for name, topic in all_topics().items():
        binding = document["channels"][name]["bindings"]["kafka"]
        assert binding["partitions"] == topic.partitions
        assert binding["topicConfiguration"]["cleanup.policy"] == [topic.cleanup]
        assert binding["topicConfiguration"]["max.message.bytes"] == topic.max_message_bytes


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_its_examples_match_its_schemas(document: dict[str, Any], kind: Any) -> None:
    message = document["components"]["messages"][kind.__name__]
    headers = _at(document, message["traits"][0]["$ref"])["headers"]
    # The document itself is the schema's surrounding, so that its references resolve.
    payload = document["components"]["schemas"][kind.__name__] | {"components": document["components"]}
    payload.pop("$id")

    for example in message["examples"]:
        jsonschema.validate(example["headers"], headers)
        jsonschema.Draft202012Validator(payload).validate(example["payload"])


def _at(document: Any, reference: str) -> Any:
    for part in reference.removeprefix("#/").split("/"):
        document = document[part]
    return document
