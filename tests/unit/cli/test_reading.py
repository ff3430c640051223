"""What there is to submit: one file after the other, each of its format, and none that is none of ours."""

import io
import json
import sys
from types import SimpleNamespace

import pytest
from unit.cli.workbooks import a_workbook

from fourones import reading
from fourones.errors import Misused
from fourones.reading import STANDARD_INPUT, Format, Inputs, Unreadable
from fourones.submitting import CSV, JSON, XLSX, Outgoing

BODY = {"org": "320382", "figures": []}
CSV_TEXT = "STRUCTURE,STRUCTURE_ID,ACTION,REF_AREA\r\ndataflow,x,I,320302\r\n"


def outgoing(inputs) -> list[Outgoing]:
    listed = list(inputs)
    assert all(isinstance(one, Outgoing) for one in listed)
    return listed


def found(inputs):
    return [(one.name, one.media_type, one.holders) for one in outgoing(inputs)]


def typed_in(monkeypatch, content):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))


def test_the_files_of_a_folder_come_in_the_order_of_their_paths_whatever_their_format(tmp_path):
    (tmp_path / "2025-02").mkdir()
    (tmp_path / "2025-01").mkdir()
    (tmp_path / "2025-02" / "b.json").write_text(json.dumps(BODY))
    (tmp_path / "2025-02" / "a.CSV").write_text(CSV_TEXT)
    (tmp_path / "2025-01" / "c.xlsx").write_bytes(a_workbook({"fourones_org": '"320303"'}))
    (tmp_path / "2025-01" / "d.yaml").write_text(
        "submissions:\n  - {reporter: gxj, org: '320300', figures: [{indicator: i, period: '2025', value: '1'}]}\n"
    )
    assert found(Inputs([tmp_path])) == [
        ("2025-01/c.xlsx", XLSX, (None, "320303")),
        ("2025-01/d.yaml #1", JSON, ("gxj", "320300")),
        ("2025-02/a.CSV", CSV, (None, "320302")),
        ("2025-02/b.json", JSON, (None, "320382")),
    ]
    assert {one.folder for one in outgoing(Inputs([tmp_path]))} == {tmp_path}


def test_hidden_files_lock_files_and_other_kinds_are_none_of_ours(tmp_path):
    for name in (".hidden.json", "~$open.xlsx", "notes.txt", "README"):
        (tmp_path / name).write_text("x")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "x.json").write_text(json.dumps(BODY))
    assert found(Inputs([tmp_path])) == []


def test_a_folder_that_leads_back_to_itself_is_gone_through_once(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(BODY))
    (tmp_path / "again").symlink_to(tmp_path)
    assert len(found(Inputs([tmp_path]))) == 1


def test_a_file_of_a_folder_that_cannot_be_read_is_told_and_the_others_follow(tmp_path):
    (tmp_path / "a.json").write_text("{")
    (tmp_path / "b.yaml").write_text("a: [")
    (tmp_path / "c.json").write_text(json.dumps(BODY))
    first, second, third = Inputs([tmp_path])
    assert isinstance(first, Unreadable)
    assert isinstance(second, Unreadable)
    assert (first.name, second.name, third.name) == ("a.json", "b.yaml", "c.json")


def test_it_can_be_gone_through_twice(tmp_path, monkeypatch):
    typed_in(monkeypatch, json.dumps(BODY).encode())
    (tmp_path / "a.json").write_text(json.dumps([BODY, BODY]))
    inputs = Inputs([STANDARD_INPUT, tmp_path])
    assert found(inputs) == found(inputs)
    assert [name for name, *_ in found(inputs)] == ["-", "a.json #1", "a.json #2"]


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (json.dumps(BODY).encode(), JSON),
        (b"\xef\xbb\xbf\n " + json.dumps(BODY).encode(), JSON),
        (json.dumps([BODY]).encode(), JSON),
        (CSV_TEXT.encode(), CSV),
        (a_workbook({}), XLSX),
    ],
)
def test_the_form_of_standard_input_is_seen_by_its_beginning(monkeypatch, content, media_type):
    typed_in(monkeypatch, content)
    (one,) = outgoing(Inputs([STANDARD_INPUT]))
    assert one.media_type == media_type


def test_the_form_that_is_named_wins(monkeypatch):
    typed_in(monkeypatch, b"{,}")
    (one,) = outgoing(Inputs([STANDARD_INPUT], Format.CSV))
    assert (one.media_type, one.content) == (CSV, b"{,}")


@pytest.mark.parametrize("content", [b"", b" \n"])
def test_nothing_on_standard_input_is_a_misuse(monkeypatch, content):
    typed_in(monkeypatch, content)
    with pytest.raises(Misused, match="标准输入"):
        Inputs([STANDARD_INPUT])


def test_what_is_far_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "LARGEST_BYTES", 100)
    typed_in(monkeypatch, b"x" * 101)
    with pytest.raises(Misused, match="MiB"):
        Inputs([STANDARD_INPUT])
    (tmp_path / "a.csv").write_bytes(b"x" * 101)
    with pytest.raises(Misused, match="MiB"):
        list(Inputs([tmp_path / "a.csv"]))


def test_deep_json_is_told_like_any_other_fault(tmp_path):
    (tmp_path / "a.json").write_text("[" * 200_000)
    with pytest.raises(Misused):
        list(Inputs([tmp_path / "a.json"]))


def test_what_is_not_there_is_found_at_once(tmp_path):
    with pytest.raises(Misused, match="没有这个文件"):
        Inputs([tmp_path / "missing.json"])
