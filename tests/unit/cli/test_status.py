"""`fourones status`, `obligations` and `template`: what a clerk looks up."""

import json

import pytest
from unit.cli.commands import BODY, run, write

RECEIPT = {
    "submission_id": "019b8a4e-3f10-7c2a-9d51-6f2f0f5c1a77",
    "org": "320382",
    "reported_by": "320382",
    "key_id": "6f1d0c9a7b3e",
    "prepared_by": "张三",
    "approved_by": None,
    "figures": 12,
    "sequence": 1042,
    "received_at": "2026-01-05T16:30:00.123456Z",
    "catalogue_version": 3,
    "status": "applied",
    "published_at": "2026-01-05T16:30:00.151Z",
    "applied_at": "2026-01-05T16:30:01.172Z",
    "applied": 11,
    "superseded": 1,
    "excluded": 0,
    "reason": None,
    "warnings": [{"pointer": "/figures/3/value", "code": "jump", "detail": "与往期相差悬殊"}],
}
OTHER = RECEIPT | {"submission_id": "019b8a4e-0000-7c2a-9d51-000000000001", "status": "accepted", "warnings": []}


def status(service, *arguments):
    return run("status", *arguments, "--url", service.url, "--key", "k")


def test_without_an_id_the_newest_are_listed(service):
    service.pages = [[RECEIPT, OTHER]]
    result = status(service)
    assert result.exit_code == 0
    first, second = [line for line in result.stdout.splitlines() if "019b8a4e" in line]
    # On Shanghai's clock; the id whole, for it is what one asks with.
    for words in ("2026-01-06 00:30", RECEIPT["submission_id"], "320382", "张三", "12", "已汇总"):
        assert words in first
    assert "已受理" in second
    assert max(map(len, result.stdout.splitlines())) <= 120
    assert result.stdout.splitlines()[-1] == "共 2 份"


def test_the_list_is_narrowed_and_no_longer_than_asked(service):
    service.pages = [[RECEIPT, OTHER], [RECEIPT]]
    result = status(service, "--org", "320382", "--status", "applied", "--limit", "2", "--json")
    assert len(json.loads(result.stdout)) == 2
    (request,) = service.requests
    assert {"org=320382", "status=applied", "limit=2"} == set(request[1].partition("?")[2].split("&"))


def test_one_is_shown_with_every_field_and_its_warnings(service):
    service.answers.append((200, {}, RECEIPT | {"of_a_later_release": {"a": 1}}))
    result = status(service, RECEIPT["submission_id"])
    assert result.exit_code == 0
    for words in (
        RECEIPT["submission_id"], "已汇总", "6f1d0c9a7b3e", "张三", "1042", "2026-01-06 00:30:01", "11",
        "of_a_later_release", '{"a": 1}', "/figures/3/value", "jump", "与往期相差悬殊",
    ):  # fmt: skip
        assert words in result.stdout
    assert "审核人" not in result.stdout
    service.answers.append((200, {}, RECEIPT))
    english = run("--lang", "en", "status", "x", "--url", service.url, "--key", "k").stdout
    assert "reported by" in english
    assert "far from this organisation's own history" in english


def test_several_are_shown_one_after_the_other(service):
    service.answers.extend([(200, {}, RECEIPT), (200, {}, OTHER)])
    result = status(service, "a", "b")
    assert result.stdout.index(RECEIPT["submission_id"]) < result.stdout.index(OTHER["submission_id"])


def test_one_that_is_set_aside_ends_with_1_and_says_why(service):
    aside = RECEIPT | {"status": "dead_lettered", "reason": "unknown_indicator"}
    service.answers.append((200, {}, aside))
    result = status(service, "x")
    assert result.exit_code == 1
    assert "unknown_indicator" in result.stdout
    assert "已搁置" in result.stderr
    # In a list it is one of many, and the list is what was asked for.
    service.pages = [[aside]]
    assert status(service).exit_code == 0


@pytest.mark.parametrize("option", [("--wait",), ("--watch",), ("--wait", "5"), ("--watch", "5")])
def test_it_waits_until_everything_is_settled(service, tmp_path, option):
    run("submit", write(tmp_path, BODY), "--key", "k", "--url", service.url)
    result = status(service, "id-1", *option)
    assert result.exit_code == 0
    assert "已汇总" in result.stdout


def test_what_is_not_settled_in_time_ends_with_3(service):
    service.answers.extend([(200, {}, OTHER)] * 9)
    assert status(service, "x", "--wait", "0.01").exit_code == 3


def test_the_key_may_come_from_a_file_by_organisation_or_be_the_viewers(service, tmp_path):
    keys = write(tmp_path, {"320382": "of-pizhou", "viewer": "of-viewer"}, "keys.json")
    for arguments, key in ((("--org", "320382"), "of-pizhou"), ((), "of-viewer")):
        assert run("status", *arguments, "--keys", keys, "--url", service.url).exit_code == 0
        assert service.requests[-1][2]["authorization"] == f"Bearer {key}"


# --- obligations ----------------------------------------------------------------------------------------------------


def an_obligation(**changes):
    return {
        "indicator": "cluster-scale",
        "indicator_name": "集群产业规模",
        "unit": "亿元",
        "org": "320382",
        "reporter": "320382",
        "cluster": "new-materials",
        "period": "2025-11",
        "due": "2025-12-15T16:00:00Z",
        "state": "reported",
        "late": False,
        "locked": False,
        "value": "123.4",
    } | changes


@pytest.fixture
def owed(service):
    service.pages = [
        [an_obligation(), an_obligation(late=True, locked=True)],
        [
            an_obligation(state="overdue", value=None, cluster="_T"),
            an_obligation(state="not_yet_due", due="2999-01-15", value=None),
            an_obligation(state="declared_missing", value=None),
            an_obligation(state="not_applicable", value=None),
        ],
    ]
    return service


def obligations(service, *arguments, language="zh"):
    return run("--lang", language, "obligations", *arguments, "--url", service.url, "--key", "k")


def test_obligations_are_a_table_with_their_counts(owed):
    result = obligations(owed, "--org", "320382", "--period", "2025-11", "--reporter", "320382")
    assert result.exit_code == 0
    assert "org=320382" in owed.requests[0][1]
    assert "period=2025-11" in owed.requests[0][1]
    assert "reporter=320382" in owed.requests[0][1]
    # The moment that ends 15 December in Shanghai: the fifteenth is the last day.
    for words in ("2025-12-15", "2999-01-15", "集群产业规模", "new-materials", "123.4 亿元", "迟报 已锁定", "逾期未报"):
        assert words in result.stdout
    assert "_T" not in result.stdout
    assert result.stdout.splitlines()[-1] == (
        "共 6 项,已到期 5:已报 2 未到期 1 逾期未报 1 声明缺报 1 不适用 1 迟报 1 锁定 1"
    )
    english = obligations(owed, language="en").stdout
    assert "6 obligations, 5 due: reported 2, not yet due 1, overdue 1" in english
    assert "集群产业规模" not in english


def test_one_state_is_listed_and_all_are_counted(owed):
    result = obligations(owed, "--state", "overdue")
    assert "123.4" not in result.stdout
    assert "共 6 项" in result.stdout
    assert obligations(owed, "--state", "lost").exit_code == 2
    listed = json.loads(obligations(owed, "--state", "overdue", "--json").stdout)
    assert [item["state"] for item in listed] == ["overdue"]


def test_a_long_list_is_cut_and_says_so(owed):
    result = obligations(owed, "--limit", "1")
    assert "另有 5 行" in result.stdout
    assert "共 6 项" in result.stdout


# --- template -------------------------------------------------------------------------------------------------------


def template(service, *arguments):
    return run("template", "--org", "320382", "--period", "2025-11", *arguments, "--url", service.url, "--key", "k")


def test_the_template_is_stored_as_it_comes(service, tmp_path):
    place = tmp_path / "t.xlsx"
    result = template(service, "-o", place, "--reporter", "gxj")
    assert result.exit_code == 0
    assert place.read_bytes() == service.template
    assert list(tmp_path.glob(".t*")) == []
    assert f"fourones submit {place}" in result.stdout
    query = service.requests[0][1].partition("?")[2]
    assert set(query.split("&")) == {"org=320382", "period=2025-11", "reporter=gxj"}


def test_a_file_that_may_be_filled_in_already_is_not_overwritten(service, tmp_path):
    place = write(tmp_path, "filled in", "t.xlsx")
    assert template(service, "-o", place).exit_code == 2
    assert (place.read_text(), service.requests) == ("filled in", [])
    assert template(service, "-o", place, "--force").exit_code == 0
    assert place.read_bytes() == service.template


def test_it_is_named_for_what_it_is_about(service, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert template(service, "--period", "2026-01-01/P2M").exit_code == 0
    assert (tmp_path / "320382-2026-01-01-P2M.xlsx").read_bytes() == service.template


def test_it_may_go_to_standard_output(service):
    assert template(service, "-o", "-").stdout_bytes == service.template


def test_a_template_that_is_refused_leaves_no_file(service, tmp_path):
    service.answers.append((422, {}, {"detail": "没有应报的数"}))
    result = template(service, "-o", tmp_path / "t.xlsx")
    assert result.exit_code == 1
    assert "没有应报的数" in result.stderr
    assert not (tmp_path / "t.xlsx").exists()


def test_a_place_that_cannot_be_written_is_a_misuse(service, tmp_path):
    result = template(service, "-o", tmp_path / "missing" / "t.xlsx")
    assert result.exit_code == 2
    assert "missing" in result.stderr
