"""The structure message as an SDMX library reads it, which also holds it against the published JSON schema."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pysdmx.errors import Invalid
from pysdmx.io import read_sdmx
from pysdmx.model.message import Message
from unit.submission.builders import NOW, TERMS, a_catalogue, a_key, an_indicator
from unit.submission.formats.csv_files import COLUMNS, STRUCTURE_ID, figures_of

from fourones_shared.events.model import Status
from fourones_submission.domain.checking import check
from fourones_submission.domain.draft import FigureDraft
from fourones_submission.formats.sdmx_csv import read
from fourones_submission.formats.sdmx_structure import structure_message

MOMENT = datetime(2026, 3, 10, 4, tzinfo=UTC)
# Written by pysdmx 1.21 (io.csv.sdmx20.writer) over the structure below: without options, with `labels="name"`, with
# `keys="both"`, and as a deletion of one observation. Kept as files, since its writer needs pandas and pyarrow.
WRITTEN_BY_PYSDMX = Path(__file__).parent / "pysdmx"


def message(version: int = 3) -> Message:
    document = structure_message(version, a_catalogue(), MOMENT)
    return read_sdmx(json.dumps(document, ensure_ascii=False), validate=True)


def test_the_message_keeps_the_schema_and_a_broken_one_does_not():
    assert message().header is not None
    document = structure_message(3, a_catalogue(), MOMENT)
    del document["data"]["dataStructures"][0]["dataStructureComponents"]["dimensionList"]["timeDimension"]["id"]
    document["data"]["codelists"][0]["version"] = "first"
    with pytest.raises(Invalid):
        read_sdmx(json.dumps(document), validate=True)


def test_the_structure_has_the_columns_that_the_reader_takes():
    structure = message().get_data_structure_definition(f"DataStructure={STRUCTURE_ID}")
    ids = [component.id for component in structure.components]
    assert set(ids) == set(COLUMNS) - {"STRUCTURE", "STRUCTURE_ID", "ACTION"}
    assert ids[:5] == ["INDICATOR", "REF_AREA", "CLUSTER", "TIME_PERIOD", "OBS_VALUE"]
    levels = {c.id: c.attachment_level for c in structure.components.attributes}
    assert levels == {
        "OBS_STATUS": "O",
        "NOTE": "O",
        "JUSTIFICATION": "O",
        "UNIT_MEASURE": "INDICATOR",
        "PREPARED_BY": "D",
        "APPROVED_BY": "D",
    }


def test_the_dataflow_is_of_that_structure():
    (dataflow,) = message().get_dataflows()
    assert f"{dataflow.agency}:{dataflow.id}({dataflow.version})" == STRUCTURE_ID


def test_the_code_lists_are_those_of_the_catalogue_and_bear_its_version():
    structure = message(version=7).get_data_structure_definition(f"DataStructure={STRUCTURE_ID}")
    lists = {c.id: c.enumeration for c in structure.components if c.enumeration}
    catalogue = a_catalogue()
    codes = {name: {code.id: code.name for code in listed} for name, listed in lists.items()}
    assert codes["INDICATOR"] == {i.id: i.name for i in catalogue.indicators}
    assert codes["REF_AREA"] == {o.id: o.name for o in catalogue.organisations}
    assert codes["CLUSTER"] == {c.id: c.name for c in catalogue.clusters} | {"_T": "不分集群"}
    assert set(codes["OBS_STATUS"]) == {status.value for status in Status}
    assert {listed.version for listed in lists.values()} == {"7.0"}


def test_an_indicator_says_its_unit():
    document = structure_message(1, a_catalogue(an_indicator()), MOMENT)
    (indicator,) = document["data"]["codelists"][0]["codes"]
    assert indicator["names"] == {"zh": "集群产业规模", "en": "scale"}
    assert indicator["annotations"] == [{"id": "UNIT_MEASURE", "type": "UNIT_MEASURE", "title": "亿元"}]


@pytest.mark.parametrize("name", ["ids", "labels-name", "keys"])
def test_what_an_sdmx_library_writes_by_it_is_taken(name: str):
    draft = read((WRITTEN_BY_PYSDMX / f"{name}.csv").read_bytes())
    assert draft.faults == []
    assert (draft.org, draft.prepared_by, draft.approved_by) == ("320382", "张三", None)
    assert figures_of(draft) == [
        FigureDraft(
            indicator="cluster-scale",
            cluster="construction-machinery",
            period="2026-02",
            value="123.4",
            unit="亿元",
            status="A",
            note='口径:"全部", 含高新区',
        ),
        FigureDraft("cluster-scale", "digital-economy", "2026-02", unit="亿元", status="O"),
    ]
    assert check(draft, TERMS, a_key(), NOW).faults == ()


def test_what_an_sdmx_library_deletes_is_withdrawn():
    draft = read((WRITTEN_BY_PYSDMX / "delete.csv").read_bytes())
    assert draft.faults == []
    assert figures_of(draft) == [FigureDraft("cluster-scale", "construction-machinery", "2026-02", withdraw=True)]
