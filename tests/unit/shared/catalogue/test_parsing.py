"""A catalogue that arrives as JSON."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.shared.catalogue.documents import REAL, a_document, a_target, faults_of, places_of

from fourones_shared.catalogue.faults import CatalogueHasFaults
from fourones_shared.catalogue.files import load
from fourones_shared.catalogue.model import Catalogue
from fourones_shared.catalogue.parsing import SECTIONS, parse_document


def test_the_real_catalogue_survives_its_own_document():
    catalogue = load(REAL)
    again = parse_document(json.loads(catalogue.document))
    assert (again, again.digest) == (catalogue, catalogue.digest)


def test_floats_and_integers_of_json_are_exact():
    (target,) = parse_document(a_document(targets=[a_target(value=14.5)])).targets
    assert str(target.value) == "14.5"


@pytest.mark.parametrize("document", [[], None, "catalogue", 3])
def test_what_is_no_object_is_refused(document):
    with pytest.raises(CatalogueHasFaults) as refused:
        parse_document(document)
    assert refused.value.found[0].pointer == ""


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"targets": {}}, ("/targets", "not-a-list")),
        ({"targets": "x"}, ("/targets", "not-a-list")),
        ({"targets": [3]}, ("/targets/0", "not-a-mapping")),
        ({"targts": []}, ("/targts", "unknown-section")),
        ({"a/b": []}, ("/a~1b", "unknown-section")),
        ({"targets": [a_target(valeu="1")]}, ("/targets/0/valeu", "extra-forbidden")),
        ({"targets": [a_target(value=None)]}, ("/targets/0/value", "missing")),
        ({"targets": [a_target(id="Steel 2025")]}, ("/targets/0/id", "string-pattern-mismatch")),
        ({"targets": [a_target(comparator="=>")]}, ("/targets/0/comparator", "enum")),
        ({"targets": [a_target(value="1e400")]}, ("/targets/0/value", "decimal-max-digits")),
        ({"targets": [a_target(value="1e999999999")]}, ("/targets/0/value", "decimal-max-digits")),
        ({"targets": [a_target(value="NaN")]}, ("/targets/0/value", "finite-number")),
        ({"targets": [a_target(baseline={"period": "2022"})]}, ("/targets/0/baseline/value", "missing")),
    ],
)
def test_what_is_not_of_the_form_is_refused_where_it_stands(change, place):
    assert place in places_of(a_document() | change)


def test_a_fault_points_into_the_document_even_after_entries_that_cannot_be_read():
    targets = [a_target("bad", value="x"), a_target("good", unit="元")]
    assert places_of(a_document(targets=targets)) == {
        ("/targets/0/value", "decimal-parsing"),
        ("/targets/1/unit", "unit-differs"),
    }


def test_every_fault_says_in_both_languages_what_is_wrong_and_what_to_do():
    faults = faults_of(a_document(targets=[a_target(unit="元", indicator="scale", plan="x", weight="-1", by="?")]))
    assert len(faults) == 4
    for fault in faults:
        assert all((*fault.zh, *fault.en))
        assert fault.detail == fault.describe("zh")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from([*SECTIONS, "other"]), json_values))
def test_no_document_makes_anything_but_a_catalogue_or_faults(document):
    assert faults_of(document)


@given(st.sampled_from(["plan", "indicator", "value", "unit", "by", "per", "curve", "responsible", "org"]), json_values)
def test_no_value_of_a_field_makes_anything_but_a_catalogue_or_faults_in_that_entry(field, value):
    for fault in faults_of(a_document(targets=[a_target() | {field: value}])):
        assert fault.pointer.startswith("/targets/0")


def test_a_version_that_newer_code_wrote_is_still_read_by_older_code():
    document = a_document()
    document["indicators"][0]["a_later_field"] = 1
    document["a_later_section"] = []
    assert Catalogue.model_validate(document, extra="ignore").indicators
