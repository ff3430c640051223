"""docs/worked-examples.md: its catalogues are put in force, its figures applied, its answers asked for."""

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import datetime, time
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import pytest
import yaml
from integration.aggregation.keeping import TODAY, Aggregation, a_figure, a_submission
from integration.aggregation.serving import Client, an_api
from support.catalogue import a_catalogue, an_indicator, default_organisations

from fourones_shared.domain.clock import SHANGHAI
from fourones_shared.events.model import FiguresSubmitted

PAGE = Path(__file__).parents[3] / "docs" / "worked-examples.md"
_STEP = re.compile(
    r"```(?P<kind>yaml|csv|json)\n(?P<content>.*?)```|^`GET (?P<question>[^`]+)`$", re.DOTALL | re.MULTILINE
)


class Step(NamedTuple):
    kind: str
    content: str


def examples() -> Iterator[Any]:
    for section in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        title, _, body = section.partition("\n")
        found = _STEP.finditer(body)
        steps = [Step("question", m["question"]) if m["question"] else Step(m["kind"], m["content"]) for m in found]
        yield pytest.param(steps, id=title)


@pytest.mark.parametrize("steps", list(examples()))
def test_the_service_answers_what_the_page_shows(empty: Aggregation, steps: list[Step]) -> None:
    assert {step.kind for step in steps} == {"yaml", "csv", "question", "json"}
    assert [step.kind for step in steps].index("yaml") == 0, "an example begins with its catalogue"
    put_in_force(empty, yaml.safe_load(steps[0].content))
    with an_api(empty.url) as client:
        asked = ""
        for kind, content in steps[1:]:
            if kind == "csv":
                empty.apply(*submissions(content))
            elif kind == "question":
                asked = content
            else:
                assert_shown(answer(client, asked), json.loads(content), asked)
    empty.verify()


def put_in_force(aggregation: Aggregation, given: dict[str, Any]) -> None:
    today = given.get("today")
    aggregation.clock.move_to(TODAY if today is None else datetime.combine(today, time(12), SHANGHAI))
    within = given.get("within", {})
    organisations = [o | {"within": [str(d) for d in within.get(o["id"], ())]} for o in default_organisations()]
    aggregation.put(
        a_catalogue(indicators=[an_indicator(**i) for i in given["indicators"]], organisations=organisations)
    )


def submissions(content: str) -> Iterator[FiguresSubmitted]:
    for row in csv.DictReader(io.StringIO(content)):
        figure = a_figure(row["value"], indicator=row["indicator"], cluster=row["cluster"], period=row["period"])
        yield a_submission(figure, org=row["org"])


def answer(client: Client, question: str) -> list[dict[str, Any]]:
    address = urlsplit(question)
    got = client.get(address.path, **dict(parse_qsl(address.query)))
    assert got.status_code == 200, got.text
    return list(got.json()["items"])


def assert_shown(items: list[dict[str, Any]], shown: Any, question: str) -> None:
    wanted = shown if isinstance(shown, list) else [shown]
    assert len(items) == len(wanted), (question, items)
    for item, fields in zip(items, wanted, strict=True):
        assert only(item, fields) == fields, question


def only(item: Any, fields: Any) -> Any:
    """As much of the item as the page shows."""
    if isinstance(fields, dict) and isinstance(item, dict):
        return {name: only(item.get(name), value) for name, value in fields.items()}
    return item
