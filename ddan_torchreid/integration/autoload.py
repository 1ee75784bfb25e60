"""Switches the autoload of an environment on and off: two files in its site-packages.

Python executes the line of ``_ddan_torchreid_autoload.pth`` at every start. It installs the import
hook of :mod:`ddan_torchreid.integration.import_hook`, of which a copy lies beside it, since
importing it from the package would import torch with it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import py_compile
import sysconfig
from collections.abc import Iterator
from pathlib import Path

HOOK = "_ddan_torchreid_autoload"
SOURCE = Path(__file__).with_name("import_hook.py")
LINE = f"import {HOOK}; {HOOK}.autoload('ddan_torchreid')\n"


def site_packages() -> Path:
    """The folder into which the running Python's environment installs packages."""
    return Path(sysconfig.get_path("purelib"))


def enable(folder: Path | None = None) -> None:
    """Writes the two files, or replaces those of another version.

    Args:
        folder: site-packages of the environment; None is that of the running Python.

    Raises:
        PermissionError: the folder is not writable.
    """
    path, hook = _files(folder)
    with _refusing(path.parent):
        # The line comes last: without the file that it imports, every start would complain.
        hook.write_bytes(SOURCE.read_bytes())
        py_compile.compile(str(hook))
        path.write_text(LINE, encoding="utf-8")


def disable() -> None:
    """Removes what :func:`enable` wrote.

    Raises:
        PermissionError: the folder is not writable.
    """
    path, hook = _files()
    with _refusing(path.parent):
        for file in (path, hook, Path(importlib.util.cache_from_source(str(hook)))):
            file.unlink(missing_ok=True)


def status() -> str:
    """``'enabled'``, ``'disabled'``, or ``'outdated'`` when another version's files lie there."""
    path, hook = _files()
    if not path.exists():
        return "disabled"
    current = path.read_text(encoding="utf-8") == LINE and hook.exists()
    current = current and hook.read_bytes() == SOURCE.read_bytes()
    return "enabled" if current else "outdated"


def _files(folder: Path | None = None) -> tuple[Path, Path]:
    folder = folder or site_packages()
    return folder / f"{HOOK}.pth", folder / f"{HOOK}.py"


@contextlib.contextmanager
def _refusing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PermissionError(
            f"{folder} cannot be changed ({error.strerror}); use a virtual environment, start the "
            "script with 'ddan-torchreid run', or write 'import ddan_torchreid' at its top"
        ) from None
