"""What the submission service's codes mean, in English: its own details are Chinese, for the clerk who reads them."""

from __future__ import annotations

from collections.abc import Mapping

FAULTS: Mapping[str, str] = {
    # The whole submission.
    "not_parseable": "cannot be read at this place; mend the syntax or the encoding (UTF-8)",
    "body_not_object": "a submission is one JSON object",
    "type_wrong": "of the wrong type",
    "field_unknown": "there is no such field; check the spelling",
    "figures_missing": "`figures` is missing",
    "figures_empty": "there are no figures",
    "figures_too_many": "too many figures for one submission; split it",
    "idempotency_key_invalid": "the Idempotency-Key has a form that cannot be kept",
    "idempotency_key_reused": "the Idempotency-Key stands for other content already; use a new one",
    # CSV files and workbooks.
    "structure_unknown": "STRUCTURE and STRUCTURE_ID name another structure than this service's",
    "action_unknown": "no such ACTION",
    "column_missing": "a column is missing",
    "column_repeated": "the same column twice",
    "row_length": "not as many fields as the header has",
    "org_differs": "one submission is about one organisation; split the file",
    "attribute_differs": "one submission has one preparer and one approver; write one name, or leave it out",
    "sheet_not_found": "the sheet to fill in is not there; take the template anew",
    "template_newer": "the template is of a newer release than this service",
    "cell_formula": "the cell holds a formula; paste it as a value",
    "cell_error": "the cell holds an error value",
    "cell_date": "the cell holds a date; format it as text, or as a plain number, and type it again",
    "cell_percent": "the cell is a percentage, so that it shows another number than it holds; use a plain number",
    "value_imprecise": "more digits than a spreadsheet shows; round the number",
    # Who, and about whom.
    "role_may_not_report": "this kind of key reports nothing; use a reporter's or department's",
    "org_missing": "`org` is missing: whom the figures are about",
    "org_unknown": "no organisation has this code",
    "org_not_yours": "this key's organisation reports nothing about that one",
    "org_not_a_subject": "the indicator is not about this organisation",
    "org_not_existing": "the organisation does not exist in this period",
    "not_duty_holder": "another organisation has the duty to report this",
    "outside_key_scope": "the key's scope does not hold this indicator or cluster",
    # Which figure.
    "indicator_missing": "the indicator is missing",
    "indicator_unknown": "no indicator has this code",
    "computed_indicator": "this indicator is computed, and nobody reports it; remove the figure",
    "cluster_missing": "this indicator is reported by cluster; name one",
    "cluster_unknown": "no cluster has this code",
    "cluster_not_expected": "this indicator has no clusters; leave it out",
    "cluster_not_reported": "this indicator is not reported for that cluster",
    "figure_repeated": "the same indicator, cluster and period twice; keep one",
    "period_missing": "the period is missing",
    "period_invalid": "not a period; write it like 2026, 2026-Q1, 2026-03, 2026-W12 or 2026-01-01/P2M",
    "period_frequency": "not the frequency that this indicator is reported by",
    "period_january_february": "January and February are reported together",
    "period_not_expected": "the indicator is reported for one other period only",
    "period_before_first": "before the indicator's first period",
    "period_after_last": "after the indicator's last period",
    "period_in_future": "the period has not begun",
    "period_not_ended": "the period has not ended: use status P, E or F",
    "period_locked": "the period is locked; ask the coordinating office to lift it",
    # The value.
    "value_missing": "no value: give one, or status O (declared missing) or M (not applicable)",
    "value_not_decimal": "not an exact decimal: digits and a point only",
    "value_decimals": "more decimals than the indicator has",
    "value_below_minimum": "below the indicator's minimum; check value and unit",
    "value_above_maximum": "above the indicator's maximum; check value and unit",
    "unit_wrong": "not the indicator's unit; convert the value",
    "status_unknown": "no such status: A, P, E, F, O or M",
    "status_with_value": "status O and M mean that there is no value",
    "not_applicable_refused": "may not be reported as not applicable; use status O",
    "withdraw_with_value": "a withdrawal has no value",
    "withdraw_with_status": "a withdrawal has neither status O nor M",
    "nothing_to_withdraw": "there is no such figure to withdraw",
    "text_too_long": "the text is too long",
    "text_not_printable": "control characters, or half a character, in the text",
    # Doubts: warnings, or faults where they must be justified.
    "unit_slip": "looks like another unit (×10,000 or ×100); check the unit",
    "jump": "far from this organisation's own history; check the value",
    "year_to_date_falls": "a year-to-date value that falls; check it",
    "year_to_date_contradicts": "the year-to-date value is not the sum of its months",
    "zone_beyond_district": "the zone's figure exceeds that of its districts",
    "growth_mismatch": "the growth does not fit the values it is made of",
    "justification_required": "a doubtful value that must be explained: check it, or give a justification",
    # Locks and lists.
    "reason_missing": "the reason is missing",
    "until_in_past": "the end lies in the past",
    "until_too_far": "the end is too far away",
    "moment_invalid": "neither a day nor a time with its zone; write it like 2026-03-01T08:00:00+08:00",
    "reporter_not_yours": "this key does not see that organisation's duties",
    "repeated_parameter": "the same parameter twice",
    # Requests that the framework itself refuses.
    "missing": "missing; add it",
    "extra_forbidden": "there is no such field",
    "json_invalid": "not JSON",
    "string_type": "must be text",
    "string_too_long": "too long",
    "string_too_short": "too short",
    "string_pattern_mismatch": "not of the form it must have",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_attributes_type": "must be an object",
    "too_long": "too many",
    "too_short": "too few",
    "greater_than": "too small",
    "greater_than_equal": "too small",
    "less_than": "too large",
    "less_than_equal": "too large",
    "enum": "not one of the values it may have",
    "literal_error": "not one of the values it may have",
    "datetime_type": "must be a time such as 2025-12-08T12:00:00+08:00",
    "timezone_aware": "the time needs its zone, such as +08:00",
    "datetime_parsing": "must be a time such as 2025-12-08T12:00:00+08:00",
    "datetime_from_date_parsing": "must be a time such as 2025-12-08T12:00:00+08:00",
    "date_from_datetime_parsing": "must be a day such as 2025-12-08",
    "date_parsing": "must be a day such as 2025-12-08",
}

REFUSALS: Mapping[int, str] = {
    400: "it cannot be read",
    401: "no key, or one that is not valid",
    403: "outside this key's scope, nothing was taken",
    404: "not there, or not yours",
    405: "this service does not take the request; it may be older than this command",
    409: "it contradicts what is there",
    412: "somebody else has changed it meanwhile",
    413: "too large: split it",
    415: "a format or an encoding that is not taken",
    422: "wrong, nothing was taken: mend every fault and send the whole again",
    428: "the version that the change starts from must be named",
    429: "too many requests",
}


def meaning(code: str) -> str | None:
    """What a fault's or warning's code means; None for one that this release does not know."""
    return FAULTS.get(code)


def refusal(status: int) -> str | None:
    """What an HTTP status means to the sender; None where there is nothing to say."""
    return REFUSALS.get(status)
