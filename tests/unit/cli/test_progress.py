"""Progress: a bar where there is a terminal, a line now and then where there is none."""

import io

from rich.console import Console

from fourones.progress import LINE_EVERY_S, Progress
from fourones.talk import FAULTS_ON_A_SCREEN, Talk


def a_talk(*, terminal, language="zh"):
    screen = io.StringIO()
    console = Console(file=screen, width=100, force_terminal=terminal, color_system=None)
    return screen, Talk(language, console, console)


class Time:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_a_log_gets_a_line_every_so_often_and_no_more():
    screen, talk = a_talk(terminal=False)
    time = Time()
    with Progress(talk, 1000, now=time) as progress:
        for _ in range(1000):
            time.now += 0.1
            progress.step()
    lines = screen.getvalue().splitlines()
    assert len(lines) == 100 // LINE_EVERY_S
    assert lines[0] == f"进度:{round(LINE_EVERY_S / 0.1)}/1000"


def test_what_has_no_known_end_is_counted_all_the_same():
    screen, talk = a_talk(terminal=False)
    time = Time()
    with Progress(talk, None, ("查看文件", "files"), now=time) as progress:
        time.now = LINE_EVERY_S
        progress.step()
    assert screen.getvalue() == "查看文件:1\n"


def test_short_work_says_nothing():
    screen, talk = a_talk(terminal=False)
    with Progress(talk, 3, now=Time()) as progress:
        progress.step()
    assert screen.getvalue() == ""


def test_a_terminal_gets_a_bar_and_what_is_told_stands_above_it():
    screen, talk = a_talk(terminal=True, language="en")
    with Progress(talk, 3, now=Time()) as progress:
        progress.step()
        talk.tell("甲", "first one")
        progress.step()
    shown = screen.getvalue()
    assert "first one" in shown
    assert "progress" in shown
    assert "/3" in shown


def test_what_is_told_never_stands_on_the_line_of_the_bar():
    screen, talk = a_talk(terminal=True)
    with Progress(talk, 3, now=Time()) as progress:
        for _ in range(3):
            progress.step()
            talk.tell("已受理", "accepted")
            talk.complain("被拒绝")
    lines = screen.getvalue().splitlines()
    assert not [line for line in lines if "/3" in line and ("已受理" in line or "被拒绝" in line)]


def test_one_step_needs_no_bar():
    screen, talk = a_talk(terminal=True)
    with Progress(talk, 1, now=Time()) as progress:
        progress.step()
    assert screen.getvalue() == ""


def test_a_screen_is_spared_thousands_of_faults_and_a_file_gets_them_all():
    faults = [{"pointer": f"/figures/{n}", "code": "unit_wrong", "detail": "应为亿元"} for n in range(5000)]
    screen, talk = a_talk(terminal=True)
    talk.show_faults(faults)
    assert f"/figures/{FAULTS_ON_A_SCREEN - 1} " in screen.getvalue()
    assert f"/figures/{FAULTS_ON_A_SCREEN} " not in screen.getvalue()
    assert f"另有 {5000 - FAULTS_ON_A_SCREEN} 处" in screen.getvalue()
    file, talk = a_talk(terminal=False)
    talk.show_faults(faults)
    assert "/figures/4999" in file.getvalue()
