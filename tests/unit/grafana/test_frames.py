"""What Grafana makes of answers, told by the cases that boards are easily wrong about."""

import math
from datetime import UTC, datetime

import pytest

from fourones_grafana.checking.asking import Rows, Series
from fourones_grafana.checking.frames import Frame, of_series, of_tables, of_time_series, transformed
from fourones_grafana.checking.interpolating import Choice, Range, into_promql, into_sql
from fourones_grafana.errors import BoardsError

NOW = datetime(2026, 5, 20, 7, tzinfo=UTC)
SPAN = Range.of("now-1d", "now", NOW)


def a_series(value: float, **labels: str) -> Series:
    return Series(labels, [(0.0, value)])


def test_the_value_column_has_its_querys_letter_only_where_several_have_answered():
    one = of_tables([("A", [a_series(1, job="x")]), ("B", [])])
    assert [frame.columns for frame in one] == [("Time", "job", "Value")]
    two = of_tables([("A", [a_series(1, job="x")]), ("B", [a_series(2, job="x")])])
    assert [frame.columns[-1] for frame in two] == ["Value #A", "Value #B"]


def test_merging_joins_rows_that_agree_in_the_columns_that_all_have():
    tables = of_tables(
        [("A", [a_series(1, t="x", name="n"), a_series(2, t="y", name="m")]), ("B", [a_series(3, t="x")])]
    )
    [merged] = transformed(tables, [{"id": "merge", "options": {}}])
    assert merged.columns == ("Time", "name", "t", "Value #A", "Value #B")
    assert [row[1:] for row in merged.rows] == [("n", "x", 1, 3), ("m", "y", 2, None)]


def test_a_transformation_that_names_a_column_that_is_not_there_is_a_fault():
    frame = Frame(("a", "b"), ((1, 2),))
    for names, without in (({"a": "", "c": "d"}, ["b"]), ({"a": ""}, [])):
        options = {
            "excludeByName": dict.fromkeys(without, True),
            "indexByName": {name: n for n, name in enumerate(names)},
            "renameByName": {},
        }
        with pytest.raises(BoardsError):
            transformed([frame], [{"id": "organize", "options": options}])


def test_sorting_puts_what_has_no_value_last():
    frame = Frame(("x",), ((1.0,), (math.nan,), (3.0,), (None,)))
    [found] = transformed([frame], [{"id": "sortBy", "options": {"sort": [{"field": "x", "desc": True}]}}])
    assert [row[0] for row in found.rows[:2]] == [3.0, 1.0]


def test_a_series_is_called_by_its_legend():
    [frame] = of_series([a_series(1, job="api", status="500")], "{{job}} {{status}}")
    assert frame.columns == ("Time", "api 500")


def test_rows_of_a_series_are_ordered_and_have_one_value_at_a_time():
    later, earlier = NOW, datetime(2026, 1, 1, tzinfo=UTC)
    frames = of_time_series(Rows(["time", "metric", "value"], [(earlier, "a", 1), (earlier, "b", 2), (later, "a", 3)]))
    assert [(frame.columns[1], len(frame.rows)) for frame in frames] == [("a", 2), ("b", 1)]
    with pytest.raises(BoardsError, match="ordered"):
        of_time_series(Rows(["time", "value"], [(later, 1), (earlier, 2)]))
    with pytest.raises(BoardsError, match="two values at one time"):
        of_time_series(Rows(["time", "metric", "value"], [(later, "a", 1), (later, "a", 2)]))


def test_choices_are_quoted_for_sql_and_escaped_for_promql():
    choices = {"plan": Choice("both", ("a.b", "c'd"), several=True), "one": Choice("One", ("x",))}
    assert into_sql("p IN (${plan:sqlstring}) AND '${one:text}'", choices, SPAN) == "p IN ('a.b','c''d') AND 'One'"
    assert into_promql('x{p=~"$plan"}[$__range]', choices, SPAN) == r'x{p=~"(a\\.b|c' + "'" + 'd)"}[86400s]'
    assert into_promql('label_replace(x, "a", "$1", "b", "(.*)")', {}, SPAN).count("$1") == 1


def test_the_time_filter_is_put_in_as_grafana_does():
    asked = into_sql("WHERE $__timeFilter(lower(t)) AND t > $__timeFrom()", {}, SPAN)
    assert asked == (
        "WHERE lower(t) BETWEEN '2026-05-19T07:00:00Z' AND '2026-05-20T07:00:00Z' AND t > '2026-05-19T07:00:00Z'"
    )
