"""All rules that a catalogue must keep. Pure: a catalogue in, faults out, by JSON pointer into its document."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from fourones_shared.catalogue.faults import Fault
from fourones_shared.catalogue.model import Catalogue
from fourones_shared.catalogue.rules import (
    derived,
    formulas,
    indicators,
    plans,
    plausibility,
    references,
    sums,
    targets,
    weights,
)

_RULES = (
    references.ids_are_unique,
    references.bodies_make_sense,
    plans.plans_make_sense,
    plans.bands_cover_the_line,
    indicators.reporting_makes_sense,
    indicators.bounds_make_sense,
    indicators.adding_makes_sense,
    indicators.city_figures_stand_beside_the_counties,
    weights.weights_fit,
    derived.reporting_of_derived_makes_sense,
    derived.derived_can_be_computed,
    formulas.formulas_make_sense,
    plausibility.plausibility_makes_sense,
    plausibility.zones_inside_have_districts,
    targets.target_fits_indicator,
    targets.target_names_a_reported_scope,
    targets.tolerances_make_sense,
    targets.due_period_fits,
    targets.curve_rises,
    targets.someone_answers,
    targets.synthetic_stays_apart,
    sums.cluster_totals_are_of_all_clusters,
    sums.sums_of_targets_add_up,
    plans.peers_have_periods,
)


def check(catalogue: Catalogue, excused: Mapping[str, Collection[str]] | None = None) -> list[Fault]:
    """All faults of a catalogue; none means that it may be applied.

    Args:
        catalogue: what to check.
        excused: ids by section that exist in the document but could not be read, so that references to them are
            not reported.
    """
    faults = list(references.references_exist(catalogue, excused or {}))
    for rule in _RULES:
        faults.extend(rule(catalogue))
    return faults
