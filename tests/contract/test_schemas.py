import copy
from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pytest

from fourones_shared.contracts import generate
from fourones_shared.contracts.compatibility import breaking_changes, without_words
from fourones_shared.contracts.schemas import all_schemas, released, schema_of
from fourones_shared.events.model import ALL, RollupChanged

SUBMITTED = "fourones.figures.submitted.v1"
CHANGED = "fourones.rollups.changed.v1"


def a_schema(name: str = SUBMITTED) -> dict[str, Any]:
    return copy.deepcopy(all_schemas()[name])


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.TYPE)
def test_a_schema_is_a_schema(kind: Any) -> None:
    jsonschema.Draft202012Validator.check_schema(schema_of(kind))


def test_the_committed_files_are_current() -> None:
    assert generate.not_current(generate.generated()) == []


def test_no_released_revision_is_broken() -> None:
    assert generate.broken(all_schemas(), released()) == []


def test_what_is_written_today_has_been_released() -> None:
    assert generate.unreleased(all_schemas(), released()) == []


def test_values_are_decimal_strings_in_their_canonical_spelling() -> None:
    pattern = schema_of(RollupChanged)["properties"]["value"]["anyOf"][0]["pattern"]
    for text in ("0", "18", "-3.5", "0.0001", "11000", "-0.07"):
        jsonschema.validate(text, {"pattern": pattern})
    for text in ("", "-0", "01", "1.", ".5", "1.50", "1e3", "+1", "1,000", "NaN"):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(text, {"pattern": pattern})


# -- what breaks, and what does not ----------------------------------------------------------------------------


def test_the_same_schema_breaks_nothing() -> None:
    for name, schema in all_schemas().items():
        assert breaking_changes(schema, copy.deepcopy(schema)) == [], name


def test_a_new_field_that_may_be_absent_breaks_nothing() -> None:
    new = a_schema()
    new["properties"]["channel"] = {"type": "string", "default": "api"}
    new["$defs"]["FigureSubmitted"]["properties"]["estimated_by"] = {"anyOf": [{"type": "string"}, {"type": "null"}]}

    assert breaking_changes(a_schema(), new) == []


def test_other_words_break_nothing_and_make_no_revision() -> None:
    new = a_schema()
    new["description"] = "said better"
    new["properties"]["org"]["title"] = "Organisation"

    assert breaking_changes(a_schema(), new) == []
    assert without_words(new) == without_words(a_schema())


def test_a_field_called_like_a_keyword_is_no_word() -> None:
    old = {"type": "object", "properties": {"title": {"type": "string"}}}
    assert without_words(old) == old
    assert breaking_changes(old, {"type": "object", "properties": {}}) == [
        "title: removed, but old readers look for it"
    ]


def test_a_new_required_field_is_breaking() -> None:
    new = a_schema()
    new["properties"]["channel"] = {"type": "string"}
    new["required"].append("channel")

    assert breaking_changes(a_schema(), new) == ["channel: new and required, but old events lack it"]


def test_a_removed_field_is_breaking_even_when_it_was_optional() -> None:
    new = a_schema()
    del new["$defs"]["FigureSubmitted"]["properties"]["note"]

    assert breaking_changes(a_schema(), new) == ["figures[].note: removed, but old readers look for it"]


def test_a_field_that_becomes_required_or_optional_is_breaking() -> None:
    required, optional = a_schema(), a_schema()
    required["required"].append("prepared_by")
    optional["required"].remove("org")

    assert breaking_changes(a_schema(), required) == ["prepared_by: required now, but old events may lack it"]
    assert breaking_changes(a_schema(), optional) == ["org: may be absent now, but old readers require it"]


def test_another_type_is_breaking() -> None:
    new = a_schema()
    new["properties"]["sequence"]["type"] = "string"

    assert breaking_changes(a_schema(), new) == ["sequence: type changed from 'integer' to 'string'"]


def test_null_where_there_was_none_is_breaking() -> None:
    new = a_schema()
    new["properties"]["org"] = {"anyOf": [{"type": "string"}, {"type": "null"}]}

    assert "org: type 'string' is gone" in breaking_changes(a_schema(), new)


def test_an_enumeration_that_shrinks_or_grows_is_breaking() -> None:
    smaller, larger = a_schema(), a_schema()
    smaller["$defs"]["Status"]["enum"].remove("M")
    larger["$defs"]["Status"]["enum"].append("X")

    assert len(breaking_changes(a_schema(), smaller)) == 1
    assert len(breaking_changes(a_schema(), larger)) == 1


def test_an_enumeration_in_another_order_breaks_nothing() -> None:
    new = a_schema()
    new["$defs"]["Status"]["enum"].reverse()

    assert breaking_changes(a_schema(), new) == []


def test_another_pattern_is_breaking_deep_inside() -> None:
    new = a_schema(CHANGED)
    new["$defs"]["Member"]["properties"]["value"]["anyOf"][0]["pattern"] = "^[0-9]+$"

    [found] = breaking_changes(a_schema(CHANGED), new)
    assert found.startswith("members[].value: pattern changed")


def test_a_bound_and_a_changed_default_are_breaking() -> None:
    bounded, defaulted = a_schema(), a_schema()
    bounded["properties"]["sequence"]["minimum"] = 1
    defaulted["$defs"]["FigureSubmitted"]["properties"]["withdrawn"]["default"] = True

    assert breaking_changes(a_schema(), bounded) == ["sequence: minimum 1 is new"]
    assert breaking_changes(a_schema(), defaulted) == ["figures[].withdrawn: default changed from False to True"]


def test_refusing_unknown_fields_is_breaking() -> None:
    new = a_schema()
    new["additionalProperties"] = False

    assert breaking_changes(a_schema(), new) == ["the document: additionalProperties False is new"]


def test_a_type_that_contains_itself_is_compared() -> None:
    old = {
        "$ref": "#/$defs/Node",
        "$defs": {"Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}},
    }
    new = copy.deepcopy(old)
    new["$defs"]["Node"]["type"] = "array"  # type: ignore[index]

    assert breaking_changes(old, copy.deepcopy(old)) == []
    assert breaking_changes(old, new) == ["the document: type changed from 'object' to 'array'"]


def test_a_released_type_must_not_disappear() -> None:
    schemas = all_schemas()
    del schemas[SUBMITTED]

    assert generate.broken(schemas, released()) == [
        f"{SUBMITTED}: a released type is gone; its events are still on the topics"
    ]


def test_every_revision_is_held_not_only_the_newest() -> None:
    first, second = a_schema(), a_schema()
    second["properties"]["channel"] = {"type": "string", "default": "api"}

    assert generate.broken({SUBMITTED: first}, {SUBMITTED: {1: first, 2: second}}) == [
        f"{SUBMITTED}, revision 2: channel: removed, but old readers look for it"
    ]


def test_a_change_that_breaks_nothing_is_frozen_as_the_next_revision() -> None:
    new = a_schema()
    new["properties"]["channel"] = {"type": "string", "default": "api"}

    [(path, text)] = generate.new_revisions({SUBMITTED: new}, {SUBMITTED: {1: a_schema()}}).items()
    assert Path(*path.parts[-2:]) == Path(SUBMITTED, "2.json")
    assert orjson.loads(text) == new


def test_the_check_says_what_differs(tmp_path: Path) -> None:
    stale = tmp_path / "schemas" / "a.json"
    stale.parent.mkdir()
    stale.write_text("one\n", encoding="utf-8")

    [difference] = generate.not_current({stale: "two\n"})
    assert "-one" in difference
    assert "+two" in difference


def test_the_command_passes_in_this_checkout(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main(["--check"]) == 0
    assert capsys.readouterr().err == ""
