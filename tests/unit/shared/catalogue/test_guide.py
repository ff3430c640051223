"""docs/catalogue.md: its examples are sound, and its refusals are those of the rules."""

import re

import pytest
import yaml
from unit.shared.catalogue.documents import REPOSITORY, Entry, a_city_indicator, a_document, an_indicator, faults_of

GUIDE = (REPOSITORY / "docs" / "catalogue.md").read_text(encoding="utf-8")
RULES = REPOSITORY / "shared" / "src" / "fourones_shared" / "catalogue" / "rules"
EXAMPLES = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example[-1]["id"])
def test_an_example_is_sound(example: list[Entry]) -> None:
    indicators = [an_indicator(), a_city_indicator(), *(an_indicator(**indicator) for indicator in example)]
    assert faults_of(a_document(indicators=indicators, targets=[])) == []


def test_what_the_guide_says_is_refused_is_a_rule() -> None:
    refused = set(
        re.findall(r"`([a-z-]+)`", "".join(re.findall(r"\| ([^|]*) \|\n", GUIDE.split("## What is refused")[1])))
    )
    rules = "".join(path.read_text(encoding="utf-8") for path in RULES.glob("*.py"))
    assert len(refused) > 10
    # The four kinds of a mixture are put together from their names.
    assert {code for code in refused if f'"{code}"' not in rules} <= {
        "mixed-measure",
        "mixed-kind",
        "mixed-due-period",
    }
