"""What benchmarks make of what they have seen."""

import json
from pathlib import Path

import pytest
from load.profiling import digest
from load.report import Report, Row, quantile, shown, write


@pytest.mark.parametrize(
    ("value", "text"), [(1234567, "1,234,567"), (1234.5, "1,234"), (12.345, "12.3"), (0.01234, "0.0123"), ("1", "1")]
)
def test_numbers_are_shown_as_people_read_them(value: float | str, text: str) -> None:
    assert shown(value) == text


def test_a_quantile_is_one_of_the_measured_values() -> None:
    assert [quantile([1, 2, 3, 4], share) for share in (0.0, 0.5, 0.99)] == [1, 3, 4]


def test_stacks_are_summed_up_by_thread_and_by_function_with_all_that_it_calls() -> None:
    work = "/site/src/fourones_x/work.py"
    threads, functions = digest(
        [
            f"thread (1): busy;run (/lib/threading.py:1);outer ({work}:1) 10",
            f"thread (1): busy;run (/lib/threading.py:1);outer ({work}:1);inner ({work}:9) 30",
            "thread (1): busy;run (/lib/threading.py:1) 40",
            "thread (2): idle;run (/lib/threading.py:1) 20",
        ],
        figures=1_000,
    )

    assert [(row.name, row.cells["%"]) for row in threads] == [("busy", 80.0), ("idle", 20.0)]
    # Eighty looks at a hundred a second, for a thousand figures.
    assert threads[0].cells["µs a figure"] == 800
    assert [(row.name, row.cells["% of it"]) for row in functions] == [
        ("busy: fourones_x/work.py outer", 50.0),
        ("busy: fourones_x/work.py inner", 37.5),
    ]


def test_every_number_is_in_the_file(tmp_path: Path) -> None:
    report = Report("part", ["on"])
    report.fact("figures", 7)
    report.table("rates", [Row("worker", {"figures/s": 1.5})])

    write([report], {"cores": 2}, tmp_path / "new" / "bench.json")

    assert json.loads((tmp_path / "new" / "bench.json").read_text(encoding="utf-8")) == {
        "machine": {"cores": 2},
        "parts": [
            {
                "part": "part",
                "durability": ["on"],
                "facts": {"figures": 7},
                "tables": {"rates": [{"name": "worker", "figures/s": 1.5}]},
            }
        ],
    }
    assert "| worker | 1.5 |" in (tmp_path / "new" / "bench.md").read_text(encoding="utf-8")
