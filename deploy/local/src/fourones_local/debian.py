"""Installing Debian's packages, where root may and nobody needs to be asked."""

import os
import shutil
import subprocess


def can_install() -> bool:
    """Whether packages can be installed without asking anybody."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install_packages(*packages: str) -> bool:
    """Installs the packages and what they need; whether that worked."""
    wanted = ("install", "-y", "--no-install-recommends", *packages)
    if _apt(*wanted):
        return True
    # The lists of a fresh machine are empty or old.
    _apt("update")
    return _apt(*wanted)


def how_to_install(*packages: str) -> str:
    """The command that installs them."""
    return f"apt-get install --no-install-recommends {' '.join(packages)}"


def _apt(*arguments: str) -> bool:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "-q", *arguments]
    done = subprocess.run(  # noqa: S603
        command, stdin=subprocess.DEVNULL, capture_output=True, check=False, env=environment
    )
    return done.returncode == 0
