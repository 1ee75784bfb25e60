"""Switches the autoload of an environment on and off: two files in its site-packages.

Python executes the line of ``_ddan_torchreid_autoload.pth`` at every start. It installs the import
hook of :mod:`ddan_torchreid.integration.import_hook`, of which a copy lies beside it, since
importing it from the package would import torch with it.
"""

from __future__ import annotations

import importlib.util
import py_compile
import sysconfig
from pathlib import Path

HOOK = "_ddan_torchreid_autoload"
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
    source = _source()
    try:
        # The line comes last: without the file that it imports, every start would complain.
        hook.write_text(source, encoding="utf-8")
        py_compile.compile(str(hook))
        path.write_text(LINE, encoding="utf-8")
    except OSError as error:
        raise PermissionError(_refusal(path.parent, error)) from None


def disable() -> None:
    """Removes what :func:`enable` wrote.

    Raises:
        PermissionError: the folder is not writable.
    """
    path, hook = _files()
    try:
        for file in (path, hook, Path(importlib.util.cache_from_source(str(hook)))):
            file.unlink(missing_ok=True)
    except OSError as error:
        raise PermissionError(_refusal(path.parent, error)) from None


def status() -> str:
    """``'enabled'``, ``'disabled'``, or ``'outdated'`` when another version's files lie there."""
    path, hook = _files()
    if not path.exists():
        return "disabled"
    current = path.read_text(encoding="utf-8") == LINE and hook.exists()
    current = current and hook.read_text(encoding="utf-8") == _source()
    return "enabled" if current else "outdated"


def _files(folder: Path | None = None) -> tuple[Path, Path]:
    folder = folder or site_packages()
    return folder / f"{HOOK}.pth", folder / f"{HOOK}.py"


def _source() -> str:
    return Path(__file__).with_name("import_hook.py").read_text(encoding="utf-8")


def _refusal(folder: Path, error: OSError) -> str:
    return (
        f"{folder} cannot be changed ({error.strerror}); use a virtual environment, start the "
        "script with 'ddan-torchreid run', or write 'import ddan_torchreid' at its top"
    )
