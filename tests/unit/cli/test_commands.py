"""The command line against a service that answers over HTTP."""

import json

import pytest
from unit.cli.commands import BODY, run, write
from unit.shared.catalogue.documents import REAL

from fourones_shared.catalogue.files import load


@pytest.fixture
def keys(tmp_path):
    path = tmp_path / "keys.json"
    holders = ["admin", "viewer", "320382", "gxj", "fgw", "kjj", "xz-hidz"]
    path.write_text(json.dumps({holder: f"key-of-{holder}" for holder in holders}))
    return path


# --- catalogue ------------------------------------------------------------------------------------------------------


def test_the_delivered_catalogue_is_sound():
    result = run("catalogue", "check", REAL)
    assert result.exit_code == 0
    for words in ("单位 23", "集群 10", "目标 126", "已报送数 40"):
        assert words in result.stdout


def test_faults_are_listed_with_file_and_line_and_end_with_1(tmp_path):
    folder = tmp_path / "catalogue"
    folder.mkdir()
    write(folder, "plans:\n  - {id: A, name: 方案, start: 2024-01-01, end: 2025-01-01}\n", "p.yaml")
    result = run("catalogue", "check", folder)
    assert result.exit_code == 1
    assert "catalogue/p.yaml:2: plans/0/id: " in result.stderr
    assert "catalogue/p.yaml:2: plans/0/source: 缺少 source → 补上这个字段" in result.stderr
    english = run("--lang", "en", "catalogue", "check", folder)
    assert "source is missing → add it" in english.stderr


def test_the_check_can_be_read_by_programs(tmp_path):
    sound = json.loads(run("catalogue", "check", REAL, "--json").stdout)
    assert (sound["sound"], sound["counts"]["targets"], sound["faults"]) == (True, 126, [])
    (tmp_path / "x.yaml").write_text("planes: []\n")
    result = run("catalogue", "check", tmp_path, "--json")
    faulty = json.loads(result.stdout)
    assert (result.exit_code, faulty["sound"]) == (1, False)
    assert {"file", "line", "pointer", "code", "zh", "en"} == faulty["faults"][0].keys()


def test_a_catalogue_is_applied_once_and_the_same_one_again_makes_no_version(service):
    arguments = ("catalogue", "apply", REAL, "--url", service.url, "--key", "k")
    first = run(*arguments)
    assert (first.exit_code, service.version, len(service.catalogue["targets"])) == (0, 1, 126)
    assert "第 1 版" in first.stdout
    again = run(*arguments)
    assert (again.exit_code, service.version) == (0, 1)
    assert "内容未变" in again.stdout
    assert [method for method, *_ in service.requests] == ["GET", "PUT", "GET"]


def test_a_further_folder_is_applied_with_the_first(service, tmp_path):
    write(
        tmp_path,
        "peers:\n  - {id: p, zone: z, indicator: i, unit: 家, end: {period: 2025, value: 1}, source: '001'}\n",
        "p.yaml",
    )
    arguments = ("catalogue", "apply", REAL, "--url", service.url, "--key", "k")
    assert run(*arguments).exit_code == 0
    assert run(*arguments, "--extra", tmp_path).exit_code == 0
    assert (service.version, len(service.catalogue["peers"])) == (2, 7)
    assert service.requests[-1][2]["if-match"] == '"1"'


def test_a_catalogue_with_faults_is_not_sent(service, tmp_path):
    write(tmp_path, "planes: []\n", "p.yaml")
    assert run("catalogue", "apply", REAL, "--extra", tmp_path, "--url", service.url, "--key", "k").exit_code == 1
    assert service.requests == []


def test_a_catalogue_that_somebody_else_has_replaced_meanwhile_is_refused(service):
    service.answers.append((404, {}, {"detail": "none"}))
    service.version, service.catalogue = 7, {"sources": []}
    result = run("catalogue", "apply", REAL, "--url", service.url, "--key", "k")
    assert result.exit_code == 1
    assert "412" in result.stderr


def test_a_put_whose_answer_was_lost_is_found_in_force(service):
    document = json.loads(load(REAL).document)
    service.answers.append((404, {}, {"detail": "none"}))
    service.version, service.catalogue = 1, document
    result = run("catalogue", "apply", REAL, "--url", service.url, "--key", "k")
    assert result.exit_code == 0
    assert "第 1 版" in result.stdout


# --- submit ---------------------------------------------------------------------------------------------------------


def test_the_documents_figures_go_out_with_the_keys_of_those_who_answer_for_them(service, keys):
    result = run("submit", REAL / "reported", "--keys", keys, "--url", service.url, "--wait")
    assert result.exit_code == 0, result.stderr
    assert sum(len(body["figures"]) for body in service.posted()) == 40
    assert set(service.keys()) == {"key-of-gxj", "key-of-fgw", "key-of-kjj", "key-of-xz-hidz"}
    assert "已全部汇总" in result.stdout


def test_the_same_content_is_sent_with_the_same_idempotency_key(service, keys, tmp_path):
    path = write(tmp_path, BODY)
    for _ in range(2):
        assert run("submit", path, "--keys", keys, "--url", service.url).exit_code == 0
    assert len(service.posted()) == 2
    assert len(service.remembered) == 1
    assert run("submit", path, "--keys", keys, "--url", service.url, "--anew").exit_code == 0
    assert len(service.remembered) == 2


def test_one_json_body_is_sent_as_it_was_written(service, tmp_path):
    text = '{"org": "320382",  "figures": [{"indicator": "x", "value": 0.1000}]}'
    assert run("submit", write(tmp_path, text), "--key", "k", "--url", service.url).exit_code == 0
    assert service.requests[0][3] == text.encode()


def test_a_list_of_json_bodies_keeps_its_numbers(service, keys, tmp_path):
    text = '[{"reporter": "gxj", "org": "320300", "figures": [{"value": 0.10}]}, {"org": "320382", "figures": []}]'
    assert run("submit", write(tmp_path, text), "--keys", keys, "--url", service.url).exit_code == 0
    assert service.posted()[0] == {"org": "320300", "figures": [{"value": "0.10"}]}
    assert service.keys() == ["key-of-gxj", "key-of-320382"]


def test_a_refusal_shows_every_fault_and_the_others_still_go(service, keys, tmp_path):
    errors = [
        {"pointer": f"/figures/{n}/unit", "code": "unit_wrong", "detail": f"第 {n} 个单位应为亿元"} for n in range(3)
    ]
    service.answers.append((422, {}, {"detail": "有 3 处错误", "errors": errors}))
    result = run(
        "submit", write(tmp_path, [BODY, BODY | {"prepared_by": "张三"}]), "--keys", keys, "--url", service.url
    )
    assert result.exit_code == 1
    for error in errors:
        assert error["detail"] in result.stderr
    assert len(service.remembered) == 1


def test_a_dry_run_stores_nothing(service, tmp_path):
    result = run("submit", write(tmp_path, BODY), "--key", "k", "--url", service.url, "--dry-run", "--wait")
    assert result.exit_code == 0
    assert "检查通过" in result.stdout
    assert service.remembered == {}


def test_warnings_are_shown_though_the_submission_is_accepted(service, tmp_path):
    warning = {"pointer": "/figures/0", "code": "tenfold", "detail": "是上期的十倍"}
    answer = {"submission_id": "id", "org": "320382", "figures": 1, "status": "accepted", "warnings": [warning]}
    service.answers.append((202, {}, answer))
    result = run("submit", write(tmp_path, BODY), "--key", "k", "--url", service.url)
    assert result.exit_code == 0
    assert "是上期的十倍" in result.stderr


def test_a_busy_service_is_asked_again(service, tmp_path):
    service.answers.append((429, {"Retry-After": "0"}, {}))
    assert run("submit", write(tmp_path, BODY), "--key", "k", "--url", service.url).exit_code == 0
    assert len({headers["idempotency-key"] for _, _, headers, _ in service.requests}) == 1


def test_a_dead_lettered_submission_ends_with_1(service, tmp_path):
    answer = {"submission_id": "id", "org": "320382", "figures": 1, "status": "accepted"}
    service.answers.extend([(202, {}, answer), (200, {}, answer | {"status": "dead_lettered", "reason": "poison"})])
    result = run("submit", write(tmp_path, BODY), "--key", "k", "--url", service.url, "--wait", "5")
    assert result.exit_code == 1
    assert "poison" in result.stderr


def test_spreadsheets_go_out_as_they_are(service, tmp_path):
    service.answers.append((202, {}, {"submission_id": "id", "org": "320382", "figures": 1, "status": "accepted"}))
    path = write(tmp_path, "STRUCTURE,ACTION\n", "f.csv")
    assert run("submit", path, "--key", "k", "--url", service.url).exit_code == 0
    _, _, headers, body = service.requests[0]
    assert headers["content-type"] == "application/vnd.sdmx.data+csv; version=2.0.0"
    assert body == b"STRUCTURE,ACTION\n"


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--key", "k", "--keys", "keys.json"),
        ("--keys", "nowhere.json"),
    ],
)
def test_no_key_no_submission(service, tmp_path, arguments):
    result = run("submit", write(tmp_path, BODY), "--url", service.url, *arguments)
    assert result.exit_code == 2
    assert service.requests == []


def test_a_missing_key_is_found_before_anything_is_sent(service, keys, tmp_path):
    path = write(tmp_path, [BODY, BODY | {"org": "320302"}])
    result = run("submit", path, "--keys", keys, "--url", service.url)
    assert result.exit_code == 2
    assert "320302" in result.stderr
    assert service.requests == []


@pytest.mark.parametrize(("name", "text"), [("x.txt", "x"), ("x.json", "{"), ("x.yaml", "a: [")])
def test_a_file_that_is_no_submission_is_a_misuse(service, tmp_path, name, text):
    assert run("submit", write(tmp_path, text, name), "--key", "k", "--url", service.url).exit_code == 2
    assert run("submit", tmp_path / "missing.json", "--key", "k", "--url", service.url).exit_code == 2


def test_a_service_that_is_not_there_ends_with_3(tmp_path):
    result = run("submit", write(tmp_path, BODY), "--key", "k", "--url", "http://127.0.0.1:9", "--patience", "0")
    assert result.exit_code == 3
    assert "可原样重试" in result.stderr


def test_the_key_may_come_from_the_environment(service, tmp_path):
    result = run("submit", write(tmp_path, BODY), "--url", service.url, env={"FOURONES_KEY": "from-env"})
    assert result.exit_code == 0
    assert service.keys() == ["from-env"]


def test_keys_may_lie_inside_the_list_of_endpoints(service, tmp_path):
    endpoints = write(tmp_path, {"submission": service.url, "keys": {"320382": "inner"}}, "endpoints.json")
    assert run("submit", write(tmp_path, BODY), "--keys", endpoints, "--url", service.url).exit_code == 0
    assert service.keys() == ["inner"]


# --- status, targets, simulate --------------------------------------------------------------------------------------


def test_the_status_of_a_submission_is_its_receipt(service, tmp_path):
    run("submit", write(tmp_path, BODY), "--key", "k", "--url", service.url)
    result = run("status", "id-1", "--url", service.url, "--key", "k", "--json")
    assert (result.exit_code, json.loads(result.stdout)["status"]) == (0, "published")
    assert run("status", "id-9", "--url", service.url, "--key", "k").exit_code == 1


def test_all_pages_of_targets_are_shown_and_counted(service):
    item = {"verdict": "on_track", "light": "green", "period": "2025", "value": "1", "target_value": "2"}
    service.pages = [[item | {"target": "a"}, item | {"target": "b", "light": "red"}], [item | {"target": "c"}]]
    result = run("targets", "--url", service.url, "--key", "k", "--plan", "clusters-2025")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "共 3 项:绿 2 黄 0 红 1 灰 0"
    assert "plan=clusters-2025" in service.requests[0][1]


def test_the_demonstration_is_applied_and_posted_and_says_what_it_is(service, tmp_path):
    holders = ["admin", "fgw", "kjj", "gxj", "zgj", "nyj", "swj", "yjj", "jrj", "hbj", "xz-etdz", "xz-hidz", "xz-port"]
    holders += ["320302", "320303", "320305", "320311", "320312", "320321", "320322", "320324", "320381", "320382"]
    keys = write(tmp_path, {holder: f"key-of-{holder}" for holder in holders}, "keys.json")
    assert run("catalogue", "apply", REAL, "--url", service.url, "--key", "key-of-admin").exit_code == 0
    result = run("simulate", "demo", "--url", service.url, "--keys", keys, "--today", "2026-01-20")
    assert result.exit_code == 0, result.stderr
    assert service.version == 2
    assert len(service.catalogue["targets"]) > 126
    for body in service.posted():
        assert body["prepared_by"] == "演示"
        assert {figure["note"] for figure in body["figures"]} == {"演示数据"}
    again = run("simulate", "demo", "--url", service.url, "--keys", keys, "--today", "2026-01-20", "--catalogue", REAL)
    assert again.exit_code == 0
    assert service.version == 2
    assert len(service.remembered) == len(service.posted()) / 2


def test_a_demonstration_needs_a_catalogue_and_a_day(service, keys):
    arguments = ("simulate", "demo", "--url", service.url, "--keys", keys)
    assert run(*arguments).exit_code == 2
    assert run(*arguments, "--today", "yesterday").exit_code == 2
