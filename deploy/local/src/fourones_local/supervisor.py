"""Keeps the programs of the stack running with supervisord, and speaks to it over a Unix socket."""

import shlex
import signal
import subprocess
import xmlrpc.client
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from supervisor.xmlrpc import Faults, SupervisorTransport  # type: ignore[import-untyped]

from fourones_local.errors import LocalStackError, NotReady, NotRunning, ProgramFailed
from fourones_local.files import tail, write_private
from fourones_local.layout import Repository, State
from fourones_local.process import as_child, server_environment
from fourones_local.server import Server, wait_until

# Names the state directory in the environment of every program, so that what a killed supervisord leaves behind
# can be told from other people's processes.
MARKER = "STACK_STATE_DIR"

_HEAD = """\
; Rendered at every start; holds passwords.
[supervisord]
nodaemon=true
silent=true
logfile={logs}/supervisord.log
logfile_maxbytes=5MB
logfile_backups=1
pidfile={root}/supervisord.pid
childlogdir={logs}
identifier=fourones

; No inet server: who may write to the socket may run commands.
[unix_http_server]
file={socket}
chmod=0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""

_PROGRAM = """
[program:{name}]
command={command}
directory={directory}
environment={environment}
priority={priority}
; Started in order by the stack, not all at once.
autostart=false
autorestart=true
startsecs=1
; The pause grows by a second with every attempt: a minute without the broker takes about ten of them.
startretries=60
stopsignal={stop_signal}
stopwaitsecs={stop_seconds}
stopasgroup={group}
killasgroup=true
redirect_stderr=true
stdout_logfile={logs}/{name}.log
stdout_logfile_maxbytes=20MB
stdout_logfile_backups=2
"""

# A program that has ended this often while it was waited for will not come up by being waited for.
_HOPELESS_STARTS = 4

_SHUTDOWN_SECONDS = 90.0


@dataclass(frozen=True)
class Program:
    """One program of the stack.

    Attributes:
        name: in the configuration and in the name of its log.
        command: its command line.
        environment: what it gets beside the environment of supervisord.
        priority: what has a higher one stops earlier.
        directory: it works in.
        user: it runs as, when that is not the present one.
        stop_signal: makes it end cleanly.
        stop_seconds: it may take for that before it is killed.
        stop_group: whether its children get the signal too.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    priority: int = 500
    directory: Path = Path("/")
    user: str | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: int = 30
    stop_group: bool = True

    @classmethod
    def of_server(cls, server: Server, priority: int) -> "Program":
        """A program that runs a server."""
        return cls(
            name=server.name,
            command=server.command(),
            environment=server.environment,
            priority=priority,
            user=server.user,
            stop_signal=server.stop_signal,
            stop_seconds=60,
            # A server ends its own children in the right order.
            stop_group=False,
        )

    def section(self, state: State) -> str:
        """Its section of the configuration."""
        environment = {MARKER: str(state.root), **self.environment}
        section = _PROGRAM.format(
            name=self.name,
            # Should supervisord be killed, its programs end too instead of holding on to ports and data.
            command=_escape(shlex.join([*as_child(None, self.stop_signal), *self.command])),
            directory=_escape(str(self.directory)),
            environment=",".join(f"{name}={_quote(value)}" for name, value in environment.items()),
            priority=self.priority,
            stop_signal=self.stop_signal.name.removeprefix("SIG"),
            stop_seconds=self.stop_seconds,
            group="true" if self.stop_group else "false",
            logs=_escape(str(state.logs)),
        )
        return section if self.user is None else f"{section}user={self.user}\n"


def render(programs: Iterable[Program], state: State) -> str:
    """The configuration of supervisord for these programs."""
    head = _HEAD.format(
        logs=_escape(str(state.logs)), root=_escape(str(state.root)), socket=_escape(str(state.control_socket))
    )
    return head + "".join(program.section(state) for program in programs)


class Supervisor:
    """One supervisord with its programs.

    Args:
        state: its files.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self._child: subprocess.Popen[bytes] | None = None

    def start(self, programs: Iterable[Program], *, tied: bool, timeout: float = 15.0) -> None:
        """Starts supervisord without any of its programs.

        Args:
            programs: what it shall be able to run.
            tied: whether it ends with the present process, however that ends.
            timeout: seconds.

        Raises:
            ProgramFailed: it did not answer in time.
        """
        write_private(self.state.supervisor_configuration, render(programs, self.state))
        self.state.control_socket.unlink(missing_ok=True)
        prefix = as_child(None, signal.SIGTERM) if tied else []
        with (self.state.logs / "supervisord.log").open("ab") as log:
            self._child = child = subprocess.Popen(  # noqa: S603
                [
                    *prefix,
                    Repository.command("supervisord"),
                    f"--configuration={self.state.supervisor_configuration}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.state.root,
                env=server_environment(),
                # Ctrl-C in the terminal reaches the stack, which stops everything in order.
                start_new_session=True,
            )
        try:
            wait_until(self.running, timeout=timeout, alive=lambda: child.poll() is None)
        except NotReady as reason:
            raise self._failed("supervisord", str(reason)) from reason

    def running(self) -> bool:
        """Whether supervisord answers."""
        if not self.state.control_socket.exists():
            return False
        try:
            return bool(self._call("getState")["statename"] == "RUNNING")
        except (OSError, xmlrpc.client.Error, NotRunning):
            return False

    def start_program(self, name: str) -> None:
        """Starts a program; does nothing when it runs."""
        self._change("startProcess", name, already="ALREADY_STARTED")

    def stop_program(self, name: str, *, wait: bool = True) -> None:
        """Stops a program cleanly; does nothing when it does not run."""
        self._change("stopProcess", name, wait=wait, already="NOT_RUNNING")

    def kill(self, name: str) -> int:
        """Ends a program with SIGKILL; supervisord starts it again.

        Returns:
            The process id it had.

        Raises:
            NotRunning: it does not run.
        """
        pid = self.pid(name)
        psutil.Process(pid).kill()
        return pid

    def pid(self, name: str) -> int:
        """The process id of a program.

        Raises:
            NotRunning: it does not run.
        """
        pid = int(self.info(name)["pid"])
        if not pid:
            raise NotRunning(f"{name} is not running")
        return pid

    def info(self, name: str) -> dict[str, Any]:
        """What supervisord knows about a program: `statename`, `pid`, `start`, `now`, `spawnerr` and more."""
        return dict(self._call("getProcessInfo", name))

    def all_info(self) -> list[dict[str, Any]]:
        """The same of every program.

        Raises:
            NotRunning: supervisord does not run.
        """
        return [dict(info) for info in self._call("getAllProcessInfo")]

    def wait_ready(self, name: str, ready: Callable[[float, Callable[[], bool]], None], timeout: float) -> None:
        """Waits for a program to serve.

        Args:
            name: of the program.
            ready: waits for at most so many seconds and while the second argument says that it is worth it.
            timeout: seconds.

        Raises:
            ProgramFailed: it did not become ready, with the end of its log.
        """
        try:
            ready(timeout, self._hope_for(name))
        except NotReady as reason:
            raise self._failed(name, str(reason)) from reason

    def shutdown(self) -> None:
        """Stops every program, the last started first, and supervisord itself; returns when all are gone."""
        if self.running():
            process = psutil.Process(int(self._call("getPID")))
            programs = process.children(recursive=True)
            self._call("shutdown")
            _wait_gone([process, *programs], _SHUTDOWN_SECONDS)
        if self._child is not None:
            self._child.wait()
            self._child = None
        self._end_leftovers()
        self.state.control_socket.unlink(missing_ok=True)

    def _end_leftovers(self) -> None:
        left = [process for process in psutil.process_iter() if self._is_ours(process)]
        for process in left:
            _signal(process, signal.SIGTERM)
        for process in _wait_gone(left, 30.0):
            _signal(process, signal.SIGKILL)

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get(MARKER) == str(self.state.root)
        except (psutil.Error, OSError):
            return False

    def _hope_for(self, name: str) -> Callable[[], bool]:
        starts: set[int] = set()

        def hope() -> bool:
            info = self.info(name)
            starts.add(int(info["start"]))
            crashing = info["statename"] == "BACKOFF" and len(starts) >= _HOPELESS_STARTS
            return info["statename"] in {"STARTING", "RUNNING", "BACKOFF"} and not crashing

        return hope

    def _failed(self, name: str, reason: str) -> ProgramFailed:
        log = self.state.logs / f"{name}.log"
        return ProgramFailed(name, reason, tail(log), log)

    def _change(self, method: str, name: str, *, already: str, wait: bool = False) -> None:
        try:
            self._call(method, name, wait)
        except xmlrpc.client.Fault as fault:
            if already not in fault.faultString:
                raise LocalStackError(f"{name}: {fault.faultString}") from fault

    def _call(self, method: str, *arguments: str | bool) -> Any:
        transport = SupervisorTransport(None, None, f"unix://{self.state.control_socket}")
        # The address is not used: the transport has the socket.
        proxy = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)
        try:
            return getattr(proxy.supervisor, method)(*arguments)
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise NotRunning(f"no stack is running in {self.state.root}") from error
        except xmlrpc.client.Fault as fault:
            if fault.faultCode == Faults.SHUTDOWN_STATE:
                raise NotRunning(f"the stack in {self.state.root} is being stopped") from fault
            raise
        finally:
            transport.close()


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


def _wait_gone(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    return list(alive)


def _escape(text: str) -> str:
    # supervisord expands %(name)s in every value.
    return text.replace("%", "%%")


def _quote(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{_escape(escaped)}"'
