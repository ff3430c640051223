"""How every command ends: a message for people, and an exit code for scripts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from fourones.client import Problem
from fourones.errors import CommandError, Interrupted, Misused, Refused, Unavailable
from fourones.meanings import refusal
from fourones.talk import Talk
from fourones_shared.catalogue.faults import CatalogueHasFaults


@contextmanager
def ending(talk: Talk) -> Iterator[None]:
    """Turn what went wrong inside into a message on standard error and the exit code that goes with it."""
    try:
        yield
    except CatalogueHasFaults as error:
        show_catalogue_faults(talk, error)
        raise typer.Exit(Refused.exit_code) from error
    except Problem as problem:
        show_problem(talk, problem)
        raise typer.Exit(Refused.exit_code) from problem
    except Unavailable as error:
        talk.complain(talk.say(f"服务暂不可用,可原样重试:{error}", f"not available, try the same again: {error}"))
        raise typer.Exit(error.exit_code) from error
    except CommandError as error:
        talk.complain(str(error))
        raise typer.Exit(error.exit_code) from error
    except OSError as error:
        # A file or a folder that cannot be read or written.
        talk.complain(str(error))
        raise typer.Exit(Misused.exit_code) from error
    except KeyboardInterrupt as error:
        talk.complain(talk.say("已中断", "interrupted"))
        raise typer.Exit(Interrupted.exit_code) from error


def show_problem(talk: Talk, problem: Problem, what: str = "") -> None:
    """A refusal with all its faults."""
    prefix = f"{what}: " if what else ""
    detail = problem.detail if talk.language == "zh" else refusal(problem.status) or problem.detail
    talk.complain(prefix + talk.say(f"被拒绝({problem.status}):", f"refused ({problem.status}): ") + detail)
    if problem.errors:
        talk.show_faults(problem.errors)


def show_catalogue_faults(talk: Talk, error: CatalogueHasFaults) -> None:
    """Every fault on a line of its own, as a compiler would print it, then how many there are."""
    for fault in error.found:
        talk.complain(fault.render(talk.language))
    count = len(error.found)
    talk.complain(talk.say(f"共 {count} 处错误", f"{count} fault(s)"))
