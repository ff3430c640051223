"""The AsyncAPI 3.0 document for those who want to subscribe: topics, events, schemas and examples in one file.

Sources: AsyncAPI 3.0.0; its Kafka bindings 0.5.0; CloudEvents Kafka protocol binding 1.0.2.
"""

from __future__ import annotations

from typing import Any

import orjson
import yaml
from pydantic.json_schema import models_json_schema

from fourones_shared.contracts.schemas import schema_id
from fourones_shared.events.model import ALL, EventData
from fourones_shared.topics import Topic, all_topics, contract_folder

BINDING = "0.5.0"
_DESCRIPTION = """\
What Fourones tells the world: figures accepted, roll-ups changed, the catalogue in force.

Every record is a CloudEvent 1.0 in binary mode: its attributes are record headers, its data alone is the value.

To subscribe:

- Use a consumer group of your own and `isolation.level=read_committed`; uncommitted records are repetitions.
- A record may come twice, with the same `ce_id`. Keep the ids, or the version or sequence in the data, and drop what
  is not newer than what you have.
- Ignore fields that you do not know: they may be added. Anything else that changes gets a new type (`.v2`) beside the
  old one.
- Values are decimal strings, exact; do not read them as binary floating point. Moments are RFC 3339.
- A dimension that is not fixed is `_T`, the total over it.
"""


def asyncapi_document() -> dict[str, Any]:
    """The document, complete in itself."""
    by_type = {kind.TYPE: kind for kind in ALL}
    topics = all_topics()
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Fourones events",
            "version": "1.0.0",
            "description": _DESCRIPTION,
            "tags": [{"name": owner} for owner in sorted({topic.owner for topic in topics.values()})],
        },
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {
                "host": "{bootstrap}",
                "protocol": "kafka",
                "description": "Apache Kafka 4.",
                "variables": {"bootstrap": {"description": "host:port of any broker", "default": "127.0.0.1:9092"}},
            }
        },
        "channels": {topic.name: _channel(topic, by_type) for topic in topics.values()},
        "operations": {_operation_name(topic): _operation(topic, by_type) for topic in topics.values()},
        "components": {
            "messages": {kind.__name__: _message(kind, topics[kind.TOPIC]) for kind in ALL},
            "messageTraits": {"cloudEvent": _CLOUD_EVENT},
            "schemas": _schemas(),
        },
    }


def written(document: dict[str, Any]) -> str:
    """The document as the text of its file."""
    head = "# Generated from the event models and shared/topics: python -m fourones_shared.contracts.generate\n"
    return head + yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def _channel(topic: Topic, by_type: dict[str, type[EventData]]) -> dict[str, Any]:
    return {
        "address": topic.name,
        "title": topic.name,
        "description": f"{topic.description}\n\nWritten by {topic.owner} alone. Record key: `{topic.key}`"
        + (f", partitioned by `{topic.partitioned_by}`." if topic.partitioned_by else "."),
        "servers": [{"$ref": "#/servers/kafka"}],
        "tags": [{"name": topic.owner}],
        "messages": {
            by_type[name].__name__: {"$ref": f"#/components/messages/{by_type[name].__name__}"} for name in topic.events
        },
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": {
                    name: [value] if name == "cleanup.policy" else int(value)
                    for name, value in topic.settings().items()
                },
                "bindingVersion": BINDING,
            }
        },
    }


def _operation(topic: Topic, by_type: dict[str, type[EventData]]) -> dict[str, Any]:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{topic.name}"},
        "summary": f"{topic.owner.capitalize()} writes {topic.name}; subscribe to it to receive.",
        "messages": [{"$ref": f"#/channels/{topic.name}/messages/{by_type[name].__name__}"} for name in topic.events],
        "bindings": {
            "kafka": {
                "groupId": {"type": "string", "description": "A group of the subscriber's own."},
                "bindingVersion": BINDING,
            }
        },
    }


def _operation_name(topic: Topic) -> str:
    return "write" + "".join(word.capitalize() for word in topic.name.split("-"))


def _message(kind: type[EventData], topic: Topic) -> dict[str, Any]:
    return {
        "name": kind.TYPE,
        "title": kind.__name__,
        "summary": (kind.__doc__ or "").strip().splitlines()[0],
        "contentType": "application/json",
        "traits": [{"$ref": "#/components/messageTraits/cloudEvent"}],
        "payload": {"$ref": f"#/components/schemas/{kind.__name__}"},
        "bindings": {"kafka": {"key": {"type": "string", "description": topic.key}, "bindingVersion": BINDING}},
        "examples": _examples(kind),
    }


def _examples(kind: type[EventData]) -> list[dict[str, Any]]:
    return [
        {"name": path.stem, "summary": example["summary"], "headers": example["headers"], "payload": example["data"]}
        for path in sorted((contract_folder("examples") / kind.TYPE).glob("*.json"))
        for example in [orjson.loads(path.read_bytes())]
    ]


def _schemas() -> dict[str, Any]:
    _, schemas = models_json_schema(
        [(kind, "serialization") for kind in ALL], ref_template="#/components/schemas/{model}"
    )
    definitions: dict[str, Any] = schemas["$defs"]
    for kind in ALL:
        definitions[kind.__name__] = {"$id": schema_id(kind.TYPE), **definitions[kind.__name__]}
    return definitions


_CLOUD_EVENT: dict[str, Any] = {
    "name": "cloudEvent",
    "headers": {
        "type": "object",
        "required": ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "content-type"],
        "properties": {
            "ce_specversion": {"type": "string", "const": "1.0"},
            "ce_id": {"type": "string", "description": "The same event has the same id when it is repeated."},
            "ce_source": {"type": "string", "description": "The service that says it, e.g. /fourones/submission."},
            "ce_type": {"type": "string", "description": "The type, with its version."},
            "ce_time": {"type": "string", "format": "date-time", "description": "When it happened."},
            "ce_dataschema": {"type": "string", "format": "uri", "description": "The schema's id."},
            "content-type": {"type": "string", "const": "application/json"},
            "traceparent": {"type": "string", "description": "W3C trace context in which it was sent."},
        },
    },
}


class _Dumper(yaml.SafeDumper):
    """Without aliases: the parts of the document refer to one another by `$ref` alone."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
