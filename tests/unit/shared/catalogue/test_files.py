"""A folder of YAML becomes a catalogue, or all its faults with their lines."""

import shutil
from decimal import Decimal

import pytest
import yaml
from unit.shared.catalogue.documents import REAL, a_document

from fourones_shared.catalogue.faults import CatalogueHasFaults
from fourones_shared.catalogue.files import load
from fourones_shared.catalogue.parsing import parse_document
from fourones_shared.errors import CatalogueRefused


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "catalogue"
    (folder / "targets").mkdir(parents=True)
    document = a_document()
    targets = document.pop("targets")
    (folder / "base.yaml").write_text(yaml.safe_dump(document, allow_unicode=True))
    (folder / "targets" / "t.yaml").write_text(yaml.safe_dump({"targets": targets}, allow_unicode=True))
    return folder


def faults(folder, *more):
    with pytest.raises(CatalogueHasFaults) as refused:
        load(folder, *more)
    return refused.value.found


def write_targets(folder, text):
    (folder / "targets" / "t.yaml").write_text(text)


SOUND = """\
defaults:
  targets:
    plan: plan
    unit: 亿元
    responsible: {lead: gxj}
    source: s

targets:
  - id: one
    indicator: scale
    name: 规模
    cluster: steel
    value: 1000
    by: "2025"
  - id: two
    indicator: scale
    name: 规模
    cluster: textiles
    value: 14.5
    by: 2025
    responsible: {equal: [fgw]}
"""


def test_the_same_content_in_files_and_in_a_document_is_the_same_catalogue(folder):
    assert load(folder) == parse_document(a_document())


def test_defaults_give_fields_that_an_entry_may_override(folder):
    write_targets(folder, SOUND)
    one, two = load(folder).targets
    assert (one.plan, one.unit, one.responsible.departments) == ("plan", "亿元", ("gxj",))
    # A mapping is merged field by field: the lead of the defaults stays.
    assert two.responsible.departments == ("gxj", "fgw")


def test_numbers_are_the_decimals_that_were_written(folder):
    write_targets(folder, SOUND.replace("14.5", "0.1"))
    assert load(folder).targets[1].value == Decimal("0.1")
    write_targets(folder, SOUND.replace("14.5", "1000000000000000.0001"))
    assert load(folder).targets[1].value == Decimal("1000000000000000.0001")


def test_a_fault_is_told_with_file_line_and_place(folder):
    write_targets(folder, SOUND.replace("value: 14.5", "value: 14.5\n    unit: 万元"))
    (fault,) = faults(folder)
    assert fault.render().startswith("catalogue/targets/t.yaml:20: targets/1/unit: ")
    assert " → " in fault.render("en")


def test_a_fault_in_a_default_points_at_the_default(folder):
    write_targets(folder, SOUND.replace("unit: 亿元", "unit: 万元"))
    assert [(f.line, f.code) for f in faults(folder)] == [(4, "unit-differs"), (4, "unit-differs")]


def test_all_faults_of_all_files_come_at_once(folder):
    write_targets(
        folder,
        SOUND.replace("indicator: scale", "indicator: scael", 1)
        .replace("value: 14.5", "value: much")
        .replace('by: "2025"', 'by: "2025"\n    by: "2024"')
        + "extras: []\n",
    )
    (folder / "more.yaml").write_text("plans:\n  - {id: other, name: 其他, start: 2024-01-01, end: x, source: s}\n")
    assert {(f.file, f.line, f.code) for f in faults(folder)} == {
        ("catalogue/targets/t.yaml", 10, "unknown-reference"),
        ("catalogue/targets/t.yaml", 15, "duplicate-key"),
        ("catalogue/targets/t.yaml", 20, "decimal-parsing"),
        ("catalogue/targets/t.yaml", 23, "unknown-section"),
        ("catalogue/more.yaml", 2, "date-from-datetime-parsing"),
    }


def test_a_file_that_is_no_yaml_is_told_alone_without_its_consequences(folder):
    (folder / "base.yaml").write_text("plans: [\n")
    found = faults(folder)
    assert [(f.file, f.code) for f in found] == [("catalogue/base.yaml", "not-yaml")]


def test_a_reference_to_an_entry_with_a_fault_is_no_fault_of_its_own(folder):
    text = (folder / "base.yaml").read_text().replace("name_en: scale", "name_en: [scale]")
    (folder / "base.yaml").write_text(text)
    assert {f.pointer.rpartition("/")[2] for f in faults(folder)} == {"name_en"}


def test_an_alias_that_contains_itself_ends(folder):
    (folder / "loop.yaml").write_text("peers: &a\n  - {id: p, note: *a}\n")
    assert "too-deep" in {f.code for f in faults(folder)}


def test_the_refusal_is_one_that_every_catcher_of_a_refused_catalogue_knows(folder):
    write_targets(folder, SOUND.replace("14.5", "x"))
    with pytest.raises(CatalogueRefused) as refused:
        load(folder)
    assert len(refused.value.faults) == 1


def test_an_empty_folder_is_a_fault(tmp_path):
    assert {"no-files", "one-city"} <= {f.code for f in faults(tmp_path)}


ALL = """\
targets:
  - id: meetings
    plan: plan
    indicator: scale
    name: 规模
    clusters: all
    value: 1
    unit: 亿元
    by: "2025"
    source: s
"""


def test_a_target_of_all_clusters_is_one_for_each_with_its_lead(folder):
    text = (folder / "base.yaml").read_text().replace("lead: gxj", "lead: fgw", 1)
    (folder / "base.yaml").write_text(text)
    write_targets(folder, ALL)
    targets = load(folder).targets
    assert [(t.id, t.cluster, t.responsible.lead) for t in targets] == [
        ("meetings-steel", "steel", "fgw"),
        ("meetings-textiles", "textiles", "gxj"),
    ]


def test_a_target_of_some_clusters_keeps_who_answers(folder):
    write_targets(folder, ALL.replace("all", "[textiles]") + "    responsible: {equal: [fgw, gxj]}\n")
    (target,) = load(folder).targets
    assert (target.id, target.responsible.departments) == ("meetings-textiles", ("fgw", "gxj"))


def test_a_fault_of_an_expanded_target_points_at_where_it_was_written(folder):
    write_targets(folder, ALL.replace("亿元", "元"))
    assert [(f.pointer, f.line) for f in faults(folder)] == [("/targets/0/unit", 8)] * 2


def test_a_second_folder_adds_to_the_first(folder, tmp_path):
    extra = tmp_path / "extra"
    extra.mkdir()
    (extra / "plans.yaml").write_text(
        "plans:\n  - {id: other, name: 其他, start: 2024-01-01, end: 2024-12-31, source: s}\n"
    )
    assert [plan.id for plan in load(folder, extra).plans] == ["plan", "other"]


def test_the_delivered_catalogue_does_not_depend_on_where_it_lies(tmp_path):
    shutil.copytree(REAL, tmp_path / "elsewhere")
    assert load(tmp_path / "elsewhere").digest == load(REAL).digest
