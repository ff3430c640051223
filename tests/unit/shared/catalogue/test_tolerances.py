"""A band around "about": only there, and with a width."""

from typing import Any

import pytest
from unit.alerting.builders import a_catalogue, a_target

from fourones_shared.catalogue.model import Catalogue
from fourones_shared.catalogue.rules.targets import tolerances_make_sense


def _codes(**target: Any) -> list[str]:
    return [fault.code for fault in tolerances_make_sense(a_catalogue(targets=[a_target(**target)]))]


def test_about_may_have_two_sides() -> None:
    assert _codes(comparator="about", band={"below": "0.1", "above": "0.05"}) == []
    assert _codes(comparator="about", band={"below": "0", "above": "0.05"}) == []


def test_what_has_one_side_has_no_band() -> None:
    assert _codes(comparator=">=", band={"below": "0.1", "above": "0.05"}) == ["band-without-about"]


@pytest.mark.parametrize(
    "band", [{"below": "0", "above": "0"}, {"below": "-0.1", "above": "0.1"}, {"below": "1", "above": "0"}]
)
def test_a_band_has_a_width(band: dict[str, str]) -> None:
    assert _codes(comparator="about", band=band) == ["band-without-width"]
    assert _codes(comparator="about", value="0", band={"below": "0.1", "above": "0.1"}) == ["band-without-width"]


def test_a_catalogue_without_bands_keeps_its_digest() -> None:
    document = a_catalogue().model_dump(mode="json")
    assert all("band" not in target for target in document["targets"])
    assert Catalogue.model_validate(document).digest == a_catalogue().digest
