import gc
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

with warnings.catch_warnings():
    # kafka-python reads its schemas by functions that Python 3.11 and 3.12 call deprecated (3.13 does not any more).
    warnings.simplefilter("ignore", DeprecationWarning)
    import kafka  # noqa: F401 - imported once here, so that no test meets the warning

pytest_plugins = ["support.stack"]

# Tests never time: a slow machine must not fail them.
settings.register_profile("fourones", deadline=None, print_blob=True)
settings.load_profile("fourones")

# The folder says what a test needs, so that no marker can be forgotten.
_MARKERS = ("integration", "e2e", "faults", "containers", "cluster")
_TESTS = Path(__file__).parent

# kafka-python forgets sockets: of connections that were refused, or were still being made when their client was closed,
# and the pair that wakes its I/O thread. Tests that start real servers, and end them, cannot tell them from others.
_FORGOTTEN = "unclosed <socket"

_skipped: list[str] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--no-skips",
        action="store_true",
        default=os.environ.get("CI") == "true",
        help="fail when a test was skipped: what was not checked is not known to work (the default where CI=true)",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        folders = item.path.relative_to(_TESTS).parts if item.path.is_relative_to(_TESTS) else ()
        if folders and folders[0] in _MARKERS:
            item.add_marker(folders[0])
            # Garbage is looked for at any moment, and what is found is told to the test that runs just then.
            item.add_marker(pytest.mark.filterwarnings(f"ignore:{_FORGOTTEN}:ResourceWarning"))


def pytest_collection_finish() -> None:
    # What is there by now stays: no collection of garbage need look at it again and again.
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _forgotten_sockets(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if request.node.get_closest_marker("filterwarnings"):
        _collect_forgotten_sockets()


def _collect_forgotten_sockets() -> None:
    # Where they were left, so that no other test is told of them.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", _FORGOTTEN, ResourceWarning)
        gc.collect()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    # An expected failure is reported as skipped, too, but it was run.
    if report.skipped and not hasattr(report, "wasxfail"):
        _skipped.append(report.nodeid)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.skipped:
        _skipped.append(report.nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    # Of a module that a worker skips whole, the process that reports hears nothing else.
    _skipped.extend(name for name in getattr(node, "workeroutput", {}).get("skipped", ()) if name not in _skipped)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    _collect_forgotten_sockets()
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["skipped"] = list(_skipped)
    if _skipped and session.config.getoption("no_skips") and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if _skipped and config.getoption("no_skips"):
        terminalreporter.section("skipped, which is a failure here", red=True, bold=True)
        for nodeid in _skipped:
            terminalreporter.line(nodeid)
