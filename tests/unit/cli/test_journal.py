"""The journal of a folder: one line for each accepted submission, whatever breaks in the middle."""

import json
import threading

import pytest

from fourones.errors import Misused
from fourones.journal import Journal, journal_of, state_folder
from fourones.submitting import Outgoing, Receipt

SERVICE = "http://service"


def outgoing(name="a.json", content=b"{}"):
    return Outgoing(name, ("320382",), content)


def receipt(number=1):
    answer = {"submission_id": f"id-{number}", "org": "320382", "figures": 1, "status": "accepted"}
    return Receipt(f"id-{number}", "accepted", "320382", 1, answer=answer)


def written(path, *entries):
    with Journal(path, SERVICE) as journal:
        for number, (name, content) in enumerate(entries, start=1):
            journal.write(outgoing(name, content), receipt(number))


def test_what_was_written_is_known_afterwards(tmp_path):
    path = tmp_path / "state" / "j.jsonl"
    written(path, ("a.json", b"1"), ("b.json", b"2"), ("a.json", b"3"))
    journal = Journal(path, SERVICE)
    last = journal.last("a.json")
    assert last is not None
    assert (last.submission_id, last.digest, last.holders) == ("id-3", outgoing(content=b"3").digest, ("320382",))
    assert journal.last("c.json") is None
    first = json.loads(path.read_text().splitlines()[0])
    assert first["answer"]["figures"] == 1
    assert first["sha256"] == outgoing(content=b"1").digest.hex()


def test_only_its_user_may_read_it(tmp_path):
    path = tmp_path / "j.jsonl"
    written(path, ("a.json", b"1"))
    assert path.stat().st_mode & 0o077 == 0


def test_lines_about_another_service_are_not_ours(tmp_path):
    path = tmp_path / "j.jsonl"
    written(path, ("a.json", b"1"))
    assert Journal(path, "http://other").last("a.json") is None
    assert Journal(path, SERVICE + "/").last("a.json") is not None


@pytest.mark.parametrize(
    "broken",
    [
        b'{"service": "http://service", "file": "b.json", "sha25',
        b"\x00\x00\x00\x00",
        b"[]",
        b'"text"',
        b'{"service": "http://service"}',
        b'{"service": "http://service", "file": 1, "sha256": "00", "submission_id": "x"}',
        b'{"service": "http://service", "file": "b.json", "sha256": "zz", "submission_id": "x"}',
        b"\xff\xfe",
    ],
)
def test_a_broken_line_is_passed_over_and_what_follows_is_not_glued_to_it(tmp_path, broken):
    path = tmp_path / "j.jsonl"
    written(path, ("a.json", b"1"))
    with path.open("ab") as file:
        file.write(broken)
    assert Journal(path, SERVICE).last("a.json") is not None
    assert Journal(path, SERVICE).last("b.json") is None
    with Journal(path, SERVICE) as journal:
        journal.write(outgoing("c.json"), receipt(2))
    again = Journal(path, SERVICE)
    assert again.last("a.json") is not None
    assert again.last("c.json") is not None


def test_two_that_write_at_once_leave_whole_lines(tmp_path):
    path = tmp_path / "j.jsonl"
    path.write_bytes(b'{"cut off')
    start = threading.Barrier(2)

    def write(which):
        with Journal(path, SERVICE) as journal:
            start.wait()
            for number in range(100):
                journal.write(outgoing(f"{which}-{number}.json", b"x" * number), receipt(number))

    threads = [threading.Thread(target=write, args=(which,)) for which in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal = Journal(path, SERVICE)
    assert all(journal.last(f"{which}-{number}.json") for which in "ab" for number in range(100))
    assert sum(line.startswith(b'{"service"') for line in path.read_bytes().splitlines()) == 200


@pytest.mark.parametrize("known", range(9))
def test_what_a_restored_service_has_lost_is_forgotten_with_few_questions(tmp_path, known):
    path = tmp_path / "j.jsonl"
    written(path, *((f"{number}.json", b"x") for number in range(1, 9)))
    journal = Journal(path, SERVICE)
    asked = []

    def is_known(settled):
        asked.append(settled.submission_id)
        return int(settled.submission_id.removeprefix("id-")) <= known

    assert journal.trust(is_known) == 8 - known
    assert [journal.last(f"{number}.json") is not None for number in range(1, 9)] == [n <= known for n in range(1, 9)]
    assert len(asked) <= 4


def test_a_service_that_knows_the_newest_is_asked_once(tmp_path):
    path = tmp_path / "j.jsonl"
    written(path, *((f"{number}.json", b"x") for number in range(50)))
    asked = []

    def is_known(settled):
        asked.append(settled)
        return True

    assert Journal(path, SERVICE).trust(is_known) == 0
    assert len(asked) == 1
    assert Journal(tmp_path / "none.jsonl", SERVICE).trust(lambda _: False) == 0


def test_a_journal_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(Misused):
        Journal(tmp_path, SERVICE)


def test_each_folder_and_service_has_its_own_in_the_users_state_folder(tmp_path):
    given = {"XDG_STATE_HOME": str(tmp_path)}
    places = {journal_of(folder, service, given) for folder in (tmp_path, tmp_path / "x") for service in ("a", "b")}
    assert len(places) == 4
    assert journal_of(tmp_path, "a", given) == journal_of(tmp_path / "x" / "..", "a/", given)
    assert all(place.is_relative_to(tmp_path / "fourones") for place in places)
    assert state_folder({"LOCALAPPDATA": "C:/Local"}).as_posix() == "C:/Local/fourones"
    assert state_folder({}).as_posix().endswith(".local/state/fourones")
