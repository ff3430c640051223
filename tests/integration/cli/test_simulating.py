"""Simulated figures in a service of their own."""

from collections.abc import Callable
from pathlib import Path

from integration.cli.commands import Command
from integration.submission.service import Service


def test_simulated_figures_raise_no_doubts(service: Service, fourones: Command, simulated: Callable[[int], Path]):
    folder = simulated(1)
    done = fourones("submit", folder)
    assert done.returncode == 0, done.stderr
    doubted = service.rows("SELECT org, warnings FROM submission WHERE warnings <> '[]' ORDER BY sequence")
    assert doubted == []


def test_as_csv_they_are_taken_as_well(service: Service, fourones: Command, tmp_path: Path):
    folder = tmp_path / "csv"
    arguments = ("simulate", "--counties", "2", "--indicators", "3", "--until", "2025-12", "--seed", "3")
    assert fourones(*arguments, "--format", "csv", "--out", folder).returncode == 0
    before = service.count("submission")
    done = fourones("submit", folder)
    assert done.returncode == 0, done.stderr
    assert service.count("submission") == before + len(list(folder.rglob("*.csv")))


def test_submitted_straight_away_they_are_the_same_as_from_files(
    service: Service, fourones: Command, simulated: Callable[[int], Path]
):
    files = sum(1 for _ in simulated(2).rglob("20*/*.json"))
    before = service.count("submission")
    arguments = (
        "simulate",
        "--counties",
        "6",
        "--indicators",
        "3",
        "--years",
        "2",
        "--until",
        "2025-12",
        "--seed",
        "2",
    )
    for _ in range(2):
        done = fourones(*arguments, "--submit")
        assert done.returncode == 0, done.stderr
        assert f"已受理 {files} 份" in done.stdout
    assert service.count("submission") == before + files
