"""LibreOffice, with which the tests open and save the reporting templates as clerks do; nothing else needs it."""

import shutil

from fourones_local.debian import how_to_install, install_packages

# Calc without a desktop: 90 MB to fetch, a quarter of a minute to install.
_PACKAGES = ("libreoffice-calc-nogui",)
HOW_TO_INSTALL = how_to_install(*_PACKAGES)


def find_office() -> str | None:
    """LibreOffice's program, if it is installed."""
    return shutil.which("soffice") or shutil.which("libreoffice")


def install_office() -> str | None:
    """Installs it from Debian; None when that failed."""
    install_packages(*_PACKAGES)
    return find_office()
