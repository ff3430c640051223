"""The figures that the documents report, as submissions."""

from decimal import Decimal

import pytest
from unit.shared.catalogue.documents import REAL

from fourones_shared.catalogue.faults import CatalogueHasFaults
from fourones_shared.catalogue.files import load
from fourones_shared.catalogue.model import Catalogue, Reporter
from fourones_shared.catalogue.reported import check_reported, load_reported

CITY = "320300"
FIVE_YEARS = "2021-01-01/P5Y"
# reporter, organisation, indicator, cluster, period, value, unit, status
FACTS = """
gxj 320300 clusters-total-scale - 2025 8500 亿元 F
gxj 320300 clusters-at-or-above-1000 - 2025 4 个 A
gxj 320300 industrial-invoiced-sales - 2025 9000 亿元 F
gxj 320300 industrial-enterprises-above-scale - 2025 4000 家 F
gxj 320300 machines-first-in-domestic-sales construction-machinery 2025 17 类 A
gxj 320300 self-controlled-chain-share construction-machinery 2025 90 % A
gxj 320300 three-firsts-two-news-products - 2025 210 项 A
gxj 320300 informatisation-integration-index - 2025 69.3 分 A
gxj 320300 5g-base-stations - 2025 24500 个 A
gxj 320300 industrial-internet-platforms - 2025 16 个 A
fgw 320300 future-industry-revenue - 2024 204.2 亿元 A
fgw 320300 future-industry-revenue - 2025 316 亿元 F
fgw 320300 future-industry-enterprises - 2025 331 家 A
fgw 320300 future-industry-high-growth-enterprises - 2025 15 家 A
fgw 320300 future-industry-planned-investment - 2025 300 亿元 A
fgw 320300 future-industry-national-platforms - 2025 5 个 A
fgw 320300 future-industry-provincial-platforms - 2025 30 个 A
xz-hidz xz-hidz hidz-key-technologies safety-and-emergency 2025 150 项 A
kjj 320300 technology-smes-on-record - 2025 2200 家 A
kjj 320300 scientific-services-revenue-growth - 2025 14.64 % A
kjj 320300 new-research-institutions-on-record - 2025 300 家 A
kjj 320300 science-circle-key-projects - 2025 70 项 A
kjj 320300 unicorns - 2025 13 家 A
kjj 320300 gazelles - 2025 50 家 A
kjj 320300 high-tech-enterprises-recognised - 2025 600 家 F
kjj 320300 suke-loans - 2025 16.44 亿元 A
kjj 320300 suke-loan-enterprises - 2025 384 家次 A
kjj 320300 results-pushed-to-enterprises - 2025 5100 项 A
kjj 320300 proof-of-concept-centres - 2025 2 家 A
xz-hidz xz-hidz hidz-landed-cooperation-projects - 2025 49 项 A
xz-hidz xz-hidz hidz-angel-fund - 2025 1 亿元 A
xz-hidz xz-hidz hidz-energy-cut - 2024 18 % A
xz-hidz xz-hidz hidz-national-green-factories - 2025 5 家 A
xz-hidz xz-hidz hidz-provincial-green-factories - 2025 16 家 A
xz-hidz xz-hidz hidz-reform-pilots - 2021-01-01/P5Y 22 项 A
xz-hidz xz-hidz hidz-state-assets-growth - 2021-01-01/P5Y 87 % A
xz-hidz xz-hidz hidz-technology-bonds - 2021-01-01/P5Y 5 亿元 A
xz-hidz xz-hidz hidz-idle-land-disposed - 2021-01-01/P5Y 7700 亩 A
xz-hidz xz-hidz hidz-idle-floor-reused - 2021-01-01/P5Y 105 万平方米 A
xz-hidz xz-hidz hidz-food-sampling-pass-rate - 2025 98.5 % A
"""
# Qualifiers other than "expected" go into the note.
SAID = {
    "self-controlled-chain-share": "突破",
    "future-industry-planned-investment": "超",
    "hidz-key-technologies": "余",
    "technology-smes-on-record": "超",
    "high-tech-enterprises-recognised": "突破",
    "industrial-invoiced-sales": "左右",
    "hidz-food-sampling-pass-rate": "以上",
    "clusters-total-scale": "11000",
    "clusters-at-or-above-1000": "增加值",
}


def delivered():
    return [s for path in sorted((REAL / "reported").iterdir()) for s in load_reported(path)]


def test_every_figure_of_the_documents_is_there_and_no_other():
    expected = {tuple(line.split()) for line in FACTS.strip().splitlines()}
    found = {
        (s.reporter, s.org, f.indicator, f.cluster or "-", f.period, str(f.value), f.unit, f.status)
        for s in delivered()
        for f in s.figures
    }
    assert found == expected
    assert len(expected) == 40


def test_the_figures_fit_the_catalogue():
    count, faults = check_reported(load(REAL), REAL)
    assert (count, faults) == (40, [])


def test_every_note_names_its_source_and_what_the_source_said_beside_the_number():
    notes = {f["indicator"]: f["note"] for s in delivered() for f in s.body()["figures"]}
    for note in notes.values():
        assert "来源:00" in note
    for indicator, words in SAID.items():
        assert words in notes[indicator]


def test_a_body_is_what_the_api_takes():
    submission = next(s for s in delivered() if s.reporter == "fgw")
    body = submission.body()
    assert body.keys() == {"org", "prepared_by", "figures"}
    assert body["figures"][0] == {
        "indicator": "future-industry-revenue",
        "period": "2024",
        "unit": "亿元",
        "note": "来源:002",
        "value": "204.2",
        "status": "A",
    }


def write(tmp_path, figure, reporter="gxj", org=CITY):
    (tmp_path / "reported").mkdir()
    path = tmp_path / "reported" / "x.yaml"
    path.write_text(f'submissions:\n  - reporter: {reporter}\n    org: "{org}"\n    figures:\n      - {figure}\n')
    return path


@pytest.mark.parametrize(
    ("figure", "code"),
    [
        ("{indicator: 5g-base-stationz, period: '2025', value: 1}", "unknown-reference"),
        ("{indicator: 5g-base-stations, period: '2025-Q1', value: 1}", "period-not-expected"),
        ("{indicator: 5g-base-stations, period: 'soon', value: 1}", "invalid-period"),
        ("{indicator: 5g-base-stations, period: '2025', value: 1, unit: 家}", "unit-differs"),
        ("{indicator: 5g-base-stations, period: '2025', value: -1}", "out-of-bounds"),
        ("{indicator: 5g-base-stations, period: '2025', value: 1, cluster: ic-and-ict}", "cluster-not-reported"),
        ("{indicator: unicorns, period: '2025', value: 1}", "not-the-duty-holder"),
        ("{indicator: hidz-angel-fund, period: '2025', value: 1}", "not-a-subject"),
        ("{indicator: 5g-base-stations, period: '2025', value: 1, source: '009'}", "unknown-reference"),
    ],
)
def test_a_figure_that_the_catalogue_does_not_admit_is_told_with_its_line(tmp_path, figure, code):
    write(tmp_path, figure)
    _, (fault,) = check_reported(load(REAL), tmp_path)
    assert (fault.code, fault.line) == (code, 5)
    assert fault.pointer.startswith("/submissions/0/figures/0")


def test_a_figure_of_what_is_computed_is_told(tmp_path):
    catalogue = load(REAL)
    count = catalogue.indicator["clusters-at-or-above-500"]
    by_nobody = count.reporting.model_copy(update={"by": Reporter.COMPUTED})
    nobodys = count.model_copy(update={"id": "computed-count", "reporting": by_nobody})
    sections = {name: getattr(catalogue, name) for name in Catalogue.model_fields}
    extended = Catalogue(**sections | {"indicators": (*catalogue.indicators, nobodys)})
    write(tmp_path, "{indicator: computed-count, period: '2025', value: 1}")
    _, (fault,) = check_reported(extended, tmp_path)
    assert (fault.pointer, fault.code) == ("/submissions/0/figures/0/indicator", "computed-indicator")


def test_a_figure_without_its_period_is_refused(tmp_path):
    path = write(tmp_path, "{indicator: unicorns, value: 1}")
    with pytest.raises(CatalogueHasFaults) as refused:
        load_reported(path)
    assert refused.value.found[0].pointer == "/submissions/0/figures/0/period"


def test_values_stay_exact():
    loans = next(f for s in delivered() for f in s.figures if f.indicator == "suke-loans")
    assert loans.value == Decimal("16.44")
