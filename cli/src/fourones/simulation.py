"""A made-up past and future in which every verdict and every light occurs. Pure: today and seed in, data out.

Everything here is synthetic and says so: ids begin with `demo-`, names with 【演示】, `synthetic` is set, figures
carry a note. Real plans, indicators and targets are never touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from fourones.demo_catalogue import PREFIX, Demo, demo_of
from fourones.demo_figures import county_submissions, department_submissions
from fourones_shared.catalogue.model import Catalogue
from fourones_shared.catalogue.parsing import parse_document
from fourones_shared.catalogue.reported import ReportedSubmission


@dataclass(frozen=True, slots=True)
class Simulation:
    """What is applied and what is posted.

    Attributes:
        catalogue: the real one with the synthetic plans added, checked.
        submissions: the figures, each submission by the organisation that has the duty.
        expected: the verdict that each by-date target is made to show, by target id. The targets per year
            depend on the day of the year and are not listed.
    """

    catalogue: Catalogue
    submissions: tuple[ReportedSubmission, ...]
    expected: Mapping[str, str]


def simulate(real: Catalogue, today: date, seed: int = 1) -> Simulation:
    """Make the synthetic plans and three years of figures.

    The same day and seed give the same data; another day of the same year only adds figures or leaves some out.

    Args:
        real: the catalogue to add to; synthetic parts of an earlier simulation are replaced.
        today: figures are made for periods that have ended by then.
        seed: of the made-up numbers.

    Raises:
        CatalogueHasFaults: when the real catalogue lacks what the plans stand on, such as a department.
    """
    demo = demo_of(real, today)
    catalogue = _joined(real, demo)
    submissions = (
        *county_submissions(catalogue, demo, today, seed),
        *department_submissions(catalogue, demo, today, seed),
    )
    return Simulation(catalogue, submissions, {story.target: story.verdict for story in demo.stories})


def without_demo(catalogue: Catalogue) -> dict[str, list[dict[str, object]]]:
    """The catalogue's document without synthetic parts."""
    document: dict[str, list[dict[str, object]]] = catalogue.model_dump(mode="json")
    return {
        section: [entry for entry in entries if not str(entry["id"]).startswith(PREFIX)]
        for section, entries in document.items()
    }


def _joined(real: Catalogue, demo: Demo) -> Catalogue:
    document = without_demo(real)
    added = {
        "sources": demo.sources,
        "plans": demo.plans,
        "indicators": demo.indicators,
        "targets": demo.targets,
    }
    for section, entries in added.items():
        document[section] += [entry.model_dump(mode="json") for entry in entries]
    return parse_document(document)
