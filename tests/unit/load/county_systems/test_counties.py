import json
import random
from collections import Counter

import pytest
from load.county_systems.counties import VirtualCounty
from load.county_systems.duties import Cell, Duty
from load.county_systems.ledger import Ledger
from load.county_systems.mix import MIX, SHARES, SUBMISSIONS, Kind, figures_a_submission

ORG = "320382"
DUTIES = [
    Duty(ORG, Cell("scale", cluster, f"2025-{month:02}"), "亿元", 4, True, None, False)
    for month in range(12, 0, -1)
    for cluster in ("a", "b", "c")
]


def drawing(seed):
    return random.Random(seed)  # noqa: S311


class Api:
    """Answers a county as the submission API does: numbers, first answers again, faults by pointer."""

    def __init__(self, county):
        self.county = county
        self.answers = {}

    def call(self, kind):
        for _ in range(10_000):
            call = self.county.next()
            if call.kind is kind:
                return call
            assert self.county.answered(call, *self.answer(call)) is None
        raise AssertionError(f"{kind} never comes")

    def answer(self, call):
        match call.kind:
            case Kind.RECEIPT:
                return 200, encoded(submission_id=call.path.rpartition("/")[2], status="applied", reason=None)
            case Kind.OBLIGATIONS | Kind.ROLLUPS:
                return 200, encoded(items=[{}])
            case Kind.KEY_REUSED:
                assert json.loads(call.body) != self.answers[call.idempotency_key][0]
                return 422, encoded(errors=[{"code": "idempotency_key_reused"}])
            case Kind.WRONG:
                return 422, encoded(errors=[{"pointer": f"/figures/{index}/value"} for index in call.wrong])
            case Kind.REPEATED:
                body, answer = self.answers[call.idempotency_key]
                assert json.loads(call.body) == body
                return 202, json.dumps(answer).encode()
        body = json.loads(call.body)
        answer = {
            "submission_id": f"id-{len(self.answers)}",
            "org": body["org"],
            "figures": len(body["figures"]),
            "sequence": len(self.answers) + 1,
            "status": "accepted",
        }
        assert call.idempotency_key not in self.answers
        self.answers[call.idempotency_key] = body, answer
        return 202, json.dumps(answer).encode()


def encoded(**document):
    return json.dumps(document).encode()


@pytest.fixture
def ledger():
    return Ledger()


@pytest.fixture
def county(ledger):
    return VirtualCounty(ORG, DUTIES, ledger, drawing(7))


@pytest.fixture
def api(county):
    return Api(county)


def test_the_submissions_of_the_mix_are_a_thousand():
    assert SUBMISSIONS == 1000
    assert {share.kind for share in MIX} == set(Kind)
    assert 1 < figures_a_submission() < 20


def test_what_is_called_for_comes_in_the_shares_of_the_mix(county, api):
    seen: Counter[Kind] = Counter()
    for _ in range(5_000):
        call = county.next()
        assert county.answered(call, *api.answer(call)) is None
        seen[call.kind] += 1
    for share in MIX:
        expected = 5_000 * share.weight / sum(other.weight for other in MIX)
        # What has nothing to refer to yet is a single figure at first.
        assert seen[share.kind] == pytest.approx(expected, abs=4 * expected**0.5 + 5), share.kind


def test_sizes_stay_within_those_of_their_kind(county, api):
    for _ in range(2_000):
        call = county.next()
        county.answered(call, *api.answer(call))
        share = SHARES[call.kind]
        if call.body is not None:
            size = len(json.loads(call.body)["figures"])
            assert min(share.fewest, len(DUTIES)) <= size <= share.most


def test_what_was_accepted_is_noted_with_the_value_of_the_highest_number(county, api, ledger):
    first, second = api.call(Kind.SINGLE), api.call(Kind.WHOLE)
    later = encoded(submission_id="b", org=ORG, figures=len(second.values), sequence=1002, status="accepted")
    earlier = encoded(submission_id="a", org=ORG, figures=1, sequence=1001, status="accepted")
    assert county.answered(second, 202, later) is None
    assert county.answered(first, 202, earlier) is None
    for duty, value in second.values.items():
        assert ledger.standing()[ORG, duty.cell] == value
    assert {1001, 1002} <= set(ledger.sequences[ORG])


def test_a_submission_without_an_answer_leaves_its_figures_in_doubt(county, api, ledger):
    call = api.call(Kind.SINGLE)
    county.answered(call, *api.answer(call))
    [duty] = call.values
    assert (ORG, duty.cell) in ledger.standing()
    county.unanswered(call)
    assert (ORG, duty.cell) not in ledger.standing()


@pytest.mark.parametrize("status", [400, 409, 422, 429, 500, 503])
def test_any_other_status_is_not_as_intended(county, api, status):
    complaint = county.answered(api.call(Kind.SINGLE), status, b'{"detail": "..."}')
    assert complaint.startswith(f"{status} instead of 202")


def test_an_answer_that_is_not_the_first_one_again_is_not_as_intended(county, api):
    call = api.call(Kind.REPEATED)
    assert county.answered(call, 202, encoded(**call.first | {"sequence": 99_999})) == "not the first answer again"


def test_a_wrong_submission_must_be_refused_with_exactly_its_faults(county, api):
    call = api.call(Kind.WRONG)
    assert county.answered(call, 202, encoded(sequence=1)).startswith("202 instead of 422")
    others = [{"pointer": f"/figures/{index}/value"} for index in {*call.wrong, 77}]
    assert "77" in county.answered(call, 422, encoded(errors=others))
    assert county.answered(call, 422, encoded(errors=[])) is not None


def test_another_body_with_a_used_key_must_be_refused_because_of_the_key(county, api):
    call = api.call(Kind.KEY_REUSED)
    assert county.answered(call, 422, encoded(errors=[{"code": "value_missing"}])) is not None


def test_a_receipt_is_asked_for_until_it_is_applied(county, api):
    first = api.call(Kind.RECEIPT)
    accepted = encoded(submission_id=first.path.rpartition("/")[2], status="accepted", reason=None)
    assert county.answered(first, 200, accepted) is None
    assert api.call(Kind.RECEIPT).path == first.path


def test_a_dead_letter_is_not_as_intended(county, api):
    call = api.call(Kind.RECEIPT)
    document = encoded(submission_id=call.path.rpartition("/")[2], status="dead_lettered", reason="poison")
    assert county.answered(call, 200, document) == "dead-lettered: poison"
