"""The documents' real figures, as the organisations that answer for them would send them."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fourones_shared.access.keys import Principal
from fourones_shared.catalogue.files import load
from fourones_shared.catalogue.model import OrganisationKind
from fourones_shared.catalogue.reported import load_reported
from fourones_shared.events.model import Role
from fourones_submission.domain.checking import check
from fourones_submission.domain.terms import Terms
from fourones_submission.formats.json_format import read

CATALOGUE = Path(__file__).parents[4] / "catalogue"


@pytest.mark.parametrize("file", sorted((CATALOGUE / "reported").glob("*.yaml")), ids=lambda file: file.stem)
def test_every_reported_figure_is_accepted_under_the_delivered_catalogue(file: Path):
    catalogue = load(CATALOGUE)
    terms = Terms(1, catalogue)
    for submission in load_reported(file):
        department = catalogue.organisation[submission.reporter].kind is OrganisationKind.DEPARTMENT
        key = Principal("k", Role.DEPARTMENT if department else Role.REPORTER, submission.reporter)
        draft = read(json.dumps(submission.body()).encode())
        outcome = check(draft, terms, key, datetime(2026, 6, 1, tzinfo=UTC))
        assert outcome.faults == ()
        assert len(outcome.figures) == len(submission.figures)
