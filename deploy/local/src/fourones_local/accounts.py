"""The system user that PostgreSQL runs as when the stack is started by root, and what that user can reach.

PostgreSQL refuses to run as root. The state directory and the installed wheel may lie below directories that
only root may enter (/root); opening those for everybody would be a surprise, so what the user must reach is
placed below /var/lib instead.
"""

import hashlib
import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path

from fourones_local.errors import CommandFailed

USER = "fourones-pg"
_SHELTER = Path("/var/lib/fourones-local")


def postgres_account() -> str | None:
    """The user PostgreSQL must run as: none but the present one, unless that is root.

    Raises:
        CommandFailed: the user could not be created.
    """
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(USER)
    except KeyError:
        command = ["useradd", "--system", "--no-create-home", "--home-dir", "/nonexistent"]
        done = subprocess.run(  # noqa: S603
            [*command, "--shell", "/usr/sbin/nologin", USER], capture_output=True, text=True, check=False
        )
        # 9: a start at the same moment has created it.
        if done.returncode not in {0, 9}:
            raise CommandFailed(f"useradd {USER}", done.returncode, done.stderr) from None
    return USER


def reachable(path: Path, user: str | None) -> bool:
    """Whether `user` may enter every directory above `path`."""
    if user is None:
        return True
    account = pwd.getpwnam(user)
    return all(_may_enter(parent.stat(), account) for parent in path.resolve().parents if parent.exists())


def data_directory(wanted: Path, user: str | None) -> Path:
    """Where the data goes: `wanted`, else a directory of the same life that `user` can reach."""
    if reachable(wanted, user):
        return wanted
    return _SHELTER / f"data-{hashlib.sha256(str(wanted.resolve()).encode()).hexdigest()[:16]}"


def program_directory(installed: Path, version: str, user: str | None) -> Path:
    """Where the programs are: `installed`, else a copy of it that `user` can reach."""
    if reachable(installed / "bin", user):
        return installed
    copy = _SHELTER / f"postgresql-{version}"
    if not copy.exists():
        _SHELTER.mkdir(parents=True, exist_ok=True)
        draft = copy.with_name(f"{copy.name}.{os.getpid()}")
        shutil.copytree(installed, draft, symlinks=True)
        draft.rename(copy)
    return copy


def give_to(path: Path, user: str | None) -> None:
    """Makes `user` the owner of a directory."""
    if user is not None:
        account = pwd.getpwnam(user)
        os.chown(path, account.pw_uid, account.pw_gid)


def _may_enter(directory: os.stat_result, account: pwd.struct_passwd) -> bool:
    if directory.st_uid == account.pw_uid:
        return bool(directory.st_mode & stat.S_IXUSR)
    if directory.st_gid == account.pw_gid:
        return bool(directory.st_mode & stat.S_IXGRP)
    return bool(directory.st_mode & stat.S_IXOTH)
