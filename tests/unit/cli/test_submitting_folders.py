"""A folder of files: sent once, gone on with after a break, and told about however it ends."""

import errno
import json
import re
from typing import Any

import pytest
from unit.cli.commands import BODY, run, write
from unit.cli.workbooks import a_workbook

from fourones import sending, submitting
from fourones.journal import journal_of

FAULT = {"pointer": "/figures/0/unit", "code": "unit_wrong", "detail": "应为亿元"}
REFUSED: tuple[int, dict[str, str], Any] = (422, {}, {"detail": "有 1 处错误", "errors": [FAULT]})


@pytest.fixture
def folder(tmp_path):
    for number in range(4):
        write(tmp_path / "reports", BODY | {"prepared_by": f"张{number}"}, f"2025-0{number + 1}/a.json")
    return tmp_path / "reports"


def submit(service, folder, *more):
    return run("submit", folder, "--key", "k", "--url", service.url, *more)


def sent_names(service):
    return [body["prepared_by"] for body in service.posted()]


def test_a_second_run_sends_nothing_and_says_so(service, folder):
    first = submit(service, folder)
    assert first.exit_code == 0, first.stderr
    assert sent_names(service) == ["张0", "张1", "张2", "张3"]
    assert first.stdout.splitlines()[-1] == "合计:已受理 4 份(4 个数)"
    assert "2025-01/a.json" in first.stdout
    again = submit(service, folder)
    assert again.exit_code == 0
    assert len(service.posted()) == 4
    assert "跳过 4 份" in again.stdout


def test_what_a_first_run_has_not_sent_a_second_one_sends(service, folder, monkeypatch):
    send, calls = submitting.send, []

    def interrupted(*arguments, **more):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return send(*arguments, **more)

    monkeypatch.setattr(sending, "send", interrupted)
    broken = submit(service, folder)
    assert broken.exit_code == 130
    assert "已受理 2 份" in broken.stdout
    assert "还有 2 份未报;原样再执行一次即从这里继续" in broken.stderr
    monkeypatch.setattr(sending, "send", send)
    resumed = submit(service, folder)
    assert resumed.exit_code == 0
    assert sent_names(service) == ["张0", "张1", "张2", "张3"]
    assert "已受理 2 份(2 个数),跳过 2 份" in resumed.stdout


def test_a_service_that_goes_away_in_the_middle_ends_with_3_and_what_was_done(service, folder):
    service.answers.extend([(202, {}, {"submission_id": "id-0", "org": "320382", "figures": 1}), (503, {}, {})])
    result = submit(service, folder, "--patience", "0")
    assert result.exit_code == 3
    assert "已受理 1 份" in result.stdout
    assert "还有 3 份未报" in result.stderr


def test_a_changed_file_is_sent_as_new_and_so_is_one_that_is_changed_back(service, folder):
    submit(service, folder)
    file = folder / "2025-02" / "a.json"
    original = file.read_text()
    write(folder, BODY | {"prepared_by": "李"}, "2025-02/a.json")
    assert submit(service, folder).exit_code == 0
    file.write_text(original)
    last = submit(service, folder)
    assert last.exit_code == 0
    assert sent_names(service)[4:] == ["李", "张1"]
    # Three contents, three submissions: the first one's answer is not the last one's.
    keys = [h["idempotency-key"] for m, _, h, _ in service.requests if m == "POST"]
    assert len(set(keys)) == len(keys) == 6
    assert "跳过 3 份" in last.stdout


def test_a_changed_file_whose_answer_was_lost_is_repeated_and_not_sent_as_another(service, folder, tmp_path):
    submit(service, folder)
    journal = journal_of(folder, service.url)
    before = journal.read_bytes()
    write(folder, BODY | {"prepared_by": "李"}, "2025-02/a.json")
    submit(service, folder)
    journal.write_bytes(before)
    submit(service, folder)
    assert sent_names(service)[4:] == ["李", "李"]
    assert len(service.remembered) == 5


def test_everything_is_sent_again_when_that_is_asked_for(service, folder):
    submit(service, folder)
    assert submit(service, folder, "--anew").exit_code == 0
    assert len(service.remembered) == 8


def test_one_that_is_refused_or_cannot_be_read_does_not_stop_the_others(service, folder):
    write(folder, "{", "2025-02/b.json")
    service.answers.append(REFUSED)
    result = submit(service, folder)
    assert result.exit_code == 1
    assert "应为亿元" in result.stderr
    assert "2025-02/b.json:读不了" in result.stderr
    assert result.stderr.splitlines()[-1] == "2 份未通过:2025-01/a.json、2025-02/b.json"
    assert "已受理 3 份(3 个数),未通过 2 份" in result.stdout
    # What was refused is tried again; the catalogue may have been mended.
    write(folder, BODY, "2025-02/b.json")
    again = submit(service, folder)
    assert again.exit_code == 0
    assert "已受理 2 份(2 个数),跳过 3 份" in again.stdout


def test_a_key_that_is_not_valid_is_tried_once_and_the_other_keys_go_on(service, tmp_path):
    for number, org in enumerate(("320382", "320302", "320382", "320302")):
        write(tmp_path / "r", BODY | {"org": org, "prepared_by": str(number)}, f"{number}.json")
    keys = write(tmp_path, {"320382": "revoked", "320302": "good"}, "keys.json")
    service.answers.append((401, {}, {"detail": "密钥无效、已过期或已撤销"}))
    result = run("submit", tmp_path / "r", "--keys", keys, "--url", service.url)
    assert result.exit_code == 1
    assert service.keys() == ["revoked", "good", "good"]
    assert "2 份未通过:0.json、2.json" in result.stderr


def test_a_journal_is_believed_while_the_key_cannot_ask(service, folder):
    submit(service, folder)
    write(folder, BODY, "new.json")
    service.answers.extend([(401, {}, {"detail": "密钥无效"})] * 2)
    result = submit(service, folder)
    assert result.exit_code == 1
    assert "跳过 4 份" in result.stdout
    assert len(service.posted()) == 5


def test_a_service_that_was_set_up_anew_gets_everything(service, folder):
    submit(service, folder)
    service.remembered.clear()
    result = submit(service, folder)
    assert result.exit_code == 0
    assert "服务已没有以前受理的 4 份" in result.stderr
    assert len(service.remembered) == 4


def test_a_service_that_was_restored_gets_what_it_has_lost(service, folder):
    submit(service, folder)
    lost = list(service.remembered)[2:]
    for key in lost:
        del service.remembered[key]
    result = submit(service, folder)
    assert result.exit_code == 0
    assert sent_names(service)[4:] == ["张2", "张3"]
    assert list(service.remembered)[2:] == lost


def test_a_dry_run_checks_everything_and_notes_nothing(service, folder):
    checked = submit(service, folder, "--dry-run")
    assert (checked.exit_code, service.remembered) == (0, {})
    assert "检查通过 4 份" in checked.stdout
    submit(service, folder)
    assert len(service.remembered) == 4
    assert "检查通过 4 份" in submit(service, folder, "--dry-run").stdout


def test_what_an_earlier_run_has_sent_is_waited_for_too(service, folder):
    submit(service, folder)
    result = submit(service, folder, "--wait", "5")
    assert result.exit_code == 0
    assert "4 份已全部汇总" in result.stdout


def test_the_journal_lies_where_it_is_told_to(service, folder, tmp_path):
    place = tmp_path / "elsewhere" / "j.jsonl"
    assert submit(service, folder, "--journal", place).exit_code == 0
    assert len(place.read_text().splitlines()) == 4
    assert not journal_of(folder, service.url).exists()
    assert run("submit", folder / "2025-01" / "a.json", "--key", "k", "--journal", place).exit_code == 2


def test_what_cannot_be_noted_is_accepted_all_the_same(service, folder, monkeypatch):
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("fourones.journal.os.fsync", full)
    result = submit(service, folder)
    assert result.exit_code == 0
    assert "报送日志写不进去" in result.stderr
    assert "No space left on device" in result.stderr
    assert len(service.remembered) == 4


def test_a_journal_that_cannot_be_there_is_a_misuse(service, folder, tmp_path):
    (tmp_path / "file").write_text("")
    assert submit(service, folder, "--journal", tmp_path / "file" / "j.jsonl").exit_code == 2
    assert service.requests == []


def test_what_another_run_has_sent_and_this_ones_journal_does_not_know_is_answered_as_the_first_time(service, folder):
    journal = journal_of(folder, service.url)
    submit(service, folder)
    whole = journal.read_bytes()
    journal.write_bytes(whole.splitlines(keepends=True)[0])
    submit(service, folder)
    assert len(service.remembered) == 4
    # Where both have noted everything, the lines agree.
    journal.write_bytes(whole + whole)
    assert "跳过 4 份" in submit(service, folder).stdout


def test_a_key_for_each_is_chosen_by_what_csv_files_and_workbooks_say(service, tmp_path):
    keys = write(tmp_path, {"320382": "of-pizhou", "320302": "of-gulou", "gxj": "of-gxj"}, "keys.json")
    write(tmp_path / "r", "STRUCTURE,REF_AREA\nx,320382\n", "a.csv")
    (tmp_path / "r" / "b.xlsx").write_bytes(a_workbook({"fourones_org": '"320302"'}))
    result = run("submit", tmp_path / "r", "--keys", keys, "--url", service.url)
    assert result.exit_code == 0, result.stderr
    assert service.keys() == ["of-pizhou", "of-gulou"]
    write(tmp_path / "r", "A,B\n1,2\n", "c.csv")
    result = run("submit", tmp_path / "r", "--keys", keys, "--url", service.url)
    assert result.exit_code == 2
    assert "c.csv" in result.stderr
    assert "--org" in result.stderr
    assert run("submit", tmp_path / "r" / "c.csv", "--keys", keys, "--org", "gxj", "--url", service.url).exit_code == 0
    assert service.keys()[-1] == "of-gxj"


def test_standard_input_is_a_submission(service):
    result = run("submit", "-", "--key", "k", "--url", service.url, typed_in=json.dumps(BODY).encode())
    assert (result.exit_code, service.posted()) == (0, [BODY])
    table = b"STRUCTURE,REF_AREA\nx,320382\n"
    assert run("submit", "-", "--key", "k", "--url", service.url, typed_in=table).exit_code == 0
    assert service.requests[-1][2]["content-type"].startswith("application/vnd.sdmx.data+csv")
    assert run("submit", "-", "--key", "k", "--url", service.url, typed_in=b"").exit_code == 2


def test_an_empty_folder_is_a_misuse(service, tmp_path):
    (tmp_path / "empty").mkdir()
    assert submit(service, tmp_path / "empty").exit_code == 2


def test_warnings_are_a_table_in_the_language_that_is_spoken(service, tmp_path):
    warning = {"line": 2, "column": 8, "code": "unit_slip", "detail": "疑似万元与亿元混淆"}
    answer = {"submission_id": "id", "org": "320382", "figures": 1, "status": "accepted", "warnings": [warning]}
    service.answers.extend([(202, {}, answer), (202, {}, answer), REFUSED])
    arguments = ("submit", write(tmp_path, BODY), "--key", "k", "--url", service.url)
    chinese = run(*arguments)
    assert "请核实" in chinese.stderr
    assert "2:8" in chinese.stderr
    assert "疑似万元与亿元混淆" in chinese.stderr
    english = run("--lang", "en", *arguments)
    assert "unit_slip" in english.stderr
    assert "looks like another unit" in english.stderr
    refused = run("--lang", "en", *arguments)
    assert refused.exit_code == 1
    assert not re.search("[\u4e00-\u9fff]", refused.stderr)
    assert "not the indicator's unit; convert the value" in refused.stderr
