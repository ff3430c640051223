"""A catalogue of an earlier release stays what it was: the same content, the same document, the same digest."""

import hashlib

import orjson
from unit.shared.catalogue.documents import a_catalogue, a_document, an_indicator

from fourones_shared.catalogue.model import Catalogue
from fourones_shared.catalogue.parsing import parse_document

# What the release before weights, derived indicators and departments' figures about the city has written.
INDICATOR = {
    "clusters": ["steel", "textiles"],
    "covers": "year-to-date",
    "decimals": 4,
    "direction": "up",
    "id": "scale",
    "january_february": "separate",
    "kind": "flow",
    "maximum": None,
    "measure": "industry-scale",
    "minimum": None,
    "name": "产业规模",
    "name_en": "scale",
    "note": None,
    "over_clusters": "sum",
    "over_organisations": "sum",
    "pillar": None,
    "plan": None,
    "plausibility": {"growth_of": None, "growth_over": "year-before", "ignore": [], "justify": [], "months": None},
    "reporting": {
        "about": "counties-and-zones",
        "assumed": [],
        "by": "self",
        "due_days": 15,
        "due_working_days": None,
        "first": "2023-01-01",
        "frequency": "M",
        "last": None,
        "lock_days": None,
        "may_not_apply": [],
        "period": None,
    },
    "source": "s",
    "synthetic": False,
    "unit": "亿元",
    "zones": "beside",
}


def test_an_earlier_document_is_read_and_written_the_same() -> None:
    catalogue = a_catalogue(indicators=[an_indicator()])
    stored = orjson.loads(catalogue.document) | {"indicators": [INDICATOR]}
    read = Catalogue.model_validate(stored, extra="ignore")
    assert read == catalogue == parse_document(stored)
    written = orjson.dumps(stored, option=orjson.OPT_SORT_KEYS)
    assert (read.document, read.digest) == (written, hashlib.sha256(written).hexdigest())


def test_what_is_used_of_the_later_words_is_written_and_read_back() -> None:
    document = a_document(
        indicators=[
            an_indicator(minimum=0, reporting={"city": {"by": "gxj", "stands": "department"}}),
            an_indicator(
                "growth",
                kind="ratio",
                unit="%",
                covers="period",
                over_organisations="none",
                over_clusters="none",
                derived={
                    "kind": "growth",
                    "of": "scale",
                    "over": "mean-annual",
                    "since": "2023",
                    "formula": "compound",
                },
                reporting={"by": "computed", "frequency": "A", "first": "2024-01-01"},
            ),
            an_indicator(
                "rate",
                kind="ratio",
                unit="%",
                covers="period",
                over_organisations="weighted-mean",
                over_clusters="maximum",
                weighted_by="scale",
            ),
        ],
        targets=[],
    )
    catalogue = parse_document(document)
    again = Catalogue.model_validate(orjson.loads(catalogue.document))
    assert again == catalogue
    assert again.digest == catalogue.digest
    assert [i.inputs for i in again.indicators] == [(), ("scale",), ()]
