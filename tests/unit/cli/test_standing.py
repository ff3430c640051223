"""The table of targets: readable on a terminal of 120 columns, names in Chinese, lights at a glance."""

import io

import pytest
from rich.cells import cell_len
from rich.console import Console
from unit.shared.catalogue.documents import REAL

from fourones.standing import counts_line, in_order, table_of
from fourones.talk import Talk
from fourones_shared.catalogue.files import load

EXPLANATION = "【红灯，偏离目标】新材料产业规模：2025年1—12月完成900亿元，到期未达成。" + "说明很长。" * 40


@pytest.fixture(scope="module")
def catalogue():
    return load(REAL)


def an_item(target="cluster-scale-2025-new-materials", **changes):
    return {
        "target": target,
        "period": "2025-12",
        "verdict": "off_track",
        "light": "red",
        "value": "900.1234",
        "due_value": "1000.0000",
        "target_value": "1000",
        "explanation": EXPLANATION,
    } | changes


def shown(items, catalogue, language="zh"):
    screen = io.StringIO()
    console = Console(file=screen, width=120, force_terminal=False)
    talk = Talk(language, console, console)
    console.print(table_of(items, catalogue, talk))
    return screen.getvalue()


def test_a_target_is_one_line_with_names_values_light_and_reason(catalogue):
    lines = shown([an_item()], catalogue).splitlines()
    (line,) = [line for line in lines if "900.12" in line]
    for words in ("红", "新材料产业规模", "新材料", "900.12/1000/1000 亿元", "偏离", "2025-12", "2025年1—12月完成"):
        assert words in line
    assert "【" not in line


def test_no_line_is_wider_than_120_columns(catalogue):
    items = [an_item(target.id, verdict="not_assessable") for target in catalogue.targets]
    lines = shown(items, catalogue).splitlines()
    assert max(cell_len(line) for line in lines) <= 120
    # The heading, its rule, a line for each of three plans, and one for every target: nothing wraps.
    assert len(lines) == 2 + 3 + 126


def test_plans_stand_above_their_targets_in_the_catalogues_order(catalogue):
    items = [an_item("hidz-energy-cut-2025"), an_item("double-high-postgraduates-2027"), an_item()]
    assert [item["target"] for item in in_order(items, catalogue)] == [
        "cluster-scale-2025-new-materials",
        "double-high-postgraduates-2027",
        "hidz-energy-cut-2025",
    ]
    text = shown(items, catalogue)
    places = [text.index(name) for name in ("创新产业集群培育提升", "协同创新发展", "徐州高新区“十四五”")]
    assert places == sorted(places)


@pytest.mark.parametrize(("light", "chinese"), [("green", "绿"), ("yellow", "黄"), ("red", "红"), ("grey", "灰")])
def test_each_light_has_its_word(catalogue, light, chinese):
    assert chinese in shown([an_item(light=light)], catalogue)
    assert light in shown([an_item(light=light)], catalogue, "en")


def test_a_target_without_a_figure_shows_dashes_for_numbers(catalogue):
    text = shown([an_item(value=None, due_value=None, verdict="no_data", light="grey")], catalogue)
    assert "—/—/1000 亿元" in text
    assert "无数据" in text


def test_without_a_catalogue_the_services_own_words_are_shown():
    item = an_item("t", name="某目标", plan="某方案", cluster="_T", unit="个")
    text = shown([item], None)
    for words in ("某目标", "某方案", "900.12/1000/1000 个"):
        assert words in text
    assert "_T" not in text


def test_names_are_never_read_as_markup(catalogue):
    assert "[bold]x" in shown([an_item("t", name="[bold]x")], None)


def test_the_last_line_counts_the_lights():
    items = [an_item(light=light) for light in ("red", "red", "grey", "green")]
    assert counts_line(items, Talk()) == "共 4 项:绿 1 黄 0 红 2 灰 1"
    assert counts_line(items, Talk("en")) == "4 targets: green 1  yellow 0  red 2  grey 1"
