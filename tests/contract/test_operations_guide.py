"""The operations guide tells of every alert, and of nothing that is not there."""

import re

import pytest
import yaml

from fourones_local.layout import Repository
from fourones_shared.tracing import names

REPOSITORY = Repository.here()
GUIDE = (REPOSITORY.root / "docs" / "operations.md").read_text(encoding="utf-8")
TRACING = (REPOSITORY.root / "docs" / "tracing.md").read_text(encoding="utf-8")
RULES = [
    rule
    for file in sorted(REPOSITORY.prometheus_rules.glob("*.yml"))
    for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
    if "alert" in rule
]
CODE = "".join(
    file.read_text(encoding="utf-8")
    for folder in ("shared", "services", "deploy/prometheus")
    for pattern in ("*.py", "*.yml")
    for file in sorted((REPOSITORY.root / folder).rglob(pattern))
)


@pytest.mark.parametrize("alert", sorted({rule["alert"] for rule in RULES}))
def test_every_alert_has_its_section(alert: str) -> None:
    headings = [line for line in GUIDE.splitlines() if line.startswith("### ")]
    assert [line for line in headings if re.search(rf"\b{alert}\b", line)], (
        f"docs/operations.md says nothing of {alert}"
    )


def test_every_section_is_about_an_alert_that_there_is() -> None:
    named = set(re.findall(r"\b[A-Z][a-z]+(?:[A-Z][a-z]+)+\b", "\n".join(re.findall("^### .*$", GUIDE, re.MULTILINE))))
    assert named == {rule["alert"] for rule in RULES}


@pytest.mark.parametrize("text", [GUIDE, TRACING], ids=["operations", "tracing"])
def test_every_metric_and_table_that_is_named_is_there(text: str) -> None:
    named = set(re.findall(r"\bfourones_[a-z_]+", text)) - {"fourones_shared", "fourones_boards"}
    unknown = {name for name in named if name.removesuffix("_bucket") not in CODE}
    assert unknown == set()


def test_every_page_that_is_linked_is_there() -> None:
    for page, text in (("operations.md", GUIDE), ("tracing.md", TRACING)):
        for target in re.findall(r"\]\(([^)#\s]+)", text):
            assert (REPOSITORY.root / "docs" / target).exists(), f"{page} links to {target}"


def test_our_own_attributes_and_every_span_are_explained() -> None:
    missing = [name for name in names.OWN_ATTRIBUTES if f"`{name}`" not in TRACING]
    missing += [
        word for definition in names.SPANS if (word := definition.name[0]).islower() and "." not in word
        if word not in TRACING
    ]  # fmt: skip
    assert missing == []
