"""Whose a file is, as far as a key can be chosen by it; what cannot be told is nobody's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.cli.workbooks import a_workbook, packed

from fourones.senders import NOBODY, senders_of_csv, senders_of_workbook

HEADER = "STRUCTURE,STRUCTURE_ID,ACTION,INDICATOR,REF_AREA,CLUSTER,TIME_PERIOD,OBS_VALUE"
ROW = "dataflow,FOURONES:FIGURES(1.0),I,cluster-scale,320382,new-materials,2025-11,1.5"


def csv(*lines, encoding="utf-8"):
    return "\r\n".join(lines).encode(encoding)


@pytest.mark.parametrize(
    "content",
    [
        csv(HEADER, ROW),
        csv(HEADER, ROW, encoding="utf-8-sig"),
        csv(HEADER, ROW, encoding="utf-16"),
        csv(HEADER + ",NOTE", ROW + ",初步数", encoding="gb18030"),
        csv(HEADER.replace(",", ";"), ROW.replace(",", ";")),
        csv(HEADER.replace(",", "\t"), ROW.replace(",", "\t")),
        csv(HEADER.replace("REF_AREA", "REF_AREA: 报送单位"), ROW.replace("320382", "320382: 邳州市")),
        csv("", HEADER, "", ROW),
    ],
)
def test_a_csv_file_is_whose_its_first_row_says(content):
    assert senders_of_csv(content) == (None, "320382")


def test_a_reporter_goes_before_the_organisation_that_the_figures_are_about():
    assert senders_of_csv(csv(f"{HEADER},REPORTER", f"{ROW},gxj")) == ("gxj", "320382")


@pytest.mark.parametrize("content", [b"", b"\x00\xff", csv("A,B", "1,2"), csv(HEADER), csv(HEADER, "x,y")])
def test_a_csv_file_without_an_organisation_is_nobodys(content):
    assert senders_of_csv(content) == NOBODY


ORG = {"fourones_org": "填报表!$B$2"}


@pytest.mark.parametrize(
    "content",
    [
        a_workbook({"fourones_org": '"320382"'}),
        a_workbook(ORG, '<c r="B2"><v>320382</v></c>'),
        a_workbook(ORG, '<c r="A2" t="s"><v>0</v></c><c r="B2" t="s"><v>1</v></c>', ("<t>x</t>", "<t>320382</t>")),
        a_workbook(ORG, '<c r="B2" t="s"><v>0</v></c>', ("<r><t>320</t></r><r><t>382</t></r><rPh><t>x</t></rPh>",)),
        a_workbook(ORG, '<c r="B2" t="inlineStr"><is><t> 320382 </t></is></c>'),
        a_workbook({"fourones_org": "'it''s'!B2"}, '<c r="B2"><v>320382</v></c>', sheet="it's"),
    ],
)
def test_a_workbook_is_whose_its_name_says(content):
    assert senders_of_workbook(content) == (None, "320382")


def test_a_workbook_of_a_department_names_it_too():
    content = a_workbook(ORG | {"fourones_reporter": '"gxj"'}, '<c r="B2"><v>320300</v></c>')
    assert senders_of_workbook(content) == ("gxj", "320300")


@pytest.mark.parametrize(
    "content",
    [
        b"PK",
        b"PK\x03\x04" + b"\x00" * 60,
        packed({"mimetype": "x"}),
        packed({"xl/workbook.xml": "<workbook"}),
        packed({"xl/workbook.xml": '<!DOCTYPE x [<!ENTITY a "aaaa">]><workbook>&a;</workbook>'}),
        packed({"xl/workbook.xml": "<workbook>" + " " * 5_000_000 + "</workbook>"}),
        a_workbook({}),
        a_workbook(ORG),
        a_workbook(ORG, '<c r="B2" t="s"><v>7</v></c>'),
        a_workbook({"fourones_org": "另一张表!$B$2"}, '<c r="B2"><v>320382</v></c>'),
        a_workbook(ORG, '<c r="B2"><v>320382</v></c>')[:-40],
    ],
)
def test_what_is_no_workbook_of_ours_is_nobodys(content):
    assert senders_of_workbook(content) == NOBODY


@given(st.binary(max_size=400))
def test_no_bytes_break_the_readers(content):
    senders_of_csv(content)
    senders_of_workbook(content)
    senders_of_workbook(b"PK\x03\x04" + content)
