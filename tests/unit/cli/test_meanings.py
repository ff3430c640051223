"""Every code that the submission service can answer with has an English text."""

import pytest
from support.codes import codes_in_calls

from fourones.meanings import FAULTS, meaning, refusal
from fourones_shared.catalogue.model import Doubt
from fourones_shared.http import problems

CODES = codes_in_calls() | {doubt.value for doubt in Doubt} | set(problems._IN_CHINESE)


def test_the_scan_finds_codes_of_every_kind():
    assert {
        "period_locked",  # a fault's place
        "period_frequency",  # handed on by another class
        "value_decimals",  # by a method
        "idempotency_key_reused",  # by name
        "cell_formula",  # by an exception
        "unit_slip",
        "missing",
    } <= CODES
    assert len(CODES) > 60


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_has_an_english_text(code):
    assert code in FAULTS, f"say in cli/src/fourones/meanings.py what {code} means"
    assert FAULTS[code].isascii() or "×" in FAULTS[code]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412, 413, 415, 422, 428, 429])
def test_every_refusal_has_an_english_text(status):
    assert refusal(status)


def test_what_is_not_known_has_none():
    assert meaning("of_a_later_release") is None
    assert refusal(299) is None
