"""The boards have a Chinese word for every code of the submission service that they show, and for nothing else."""

from support.codes import SERVICE, codes_in_calls

from fourones_grafana.codes import DOUBTS, REFUSALS
from fourones_shared.catalogue.model import Doubt

# Locks are decided elsewhere; what is wrong with a decision is no refused submission.
JUDGING = [path for path in (SERVICE / "domain").glob("*.py") if path.name != "deciding.py"]


def test_every_reason_for_a_refusal_has_a_word() -> None:
    assert REFUSALS.keys() == codes_in_calls(SERVICE / "formats", *JUDGING) | {"not_parseable"}


def test_every_doubt_has_a_word() -> None:
    assert DOUBTS.keys() == {doubt.value for doubt in Doubt}


def test_no_two_codes_have_the_same_word() -> None:
    for words in (REFUSALS, DOUBTS):
        assert len(set(words.values())) == len(words)
