"""``ddan-torchreid run``: runs torchreid's own ``scripts/main.py`` with DDAN registered."""

from __future__ import annotations

import argparse
import os
import runpy
import sys
import traceback

from ..data.lost_workers import loss_of_workers
from ..integration import main_script


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the script and everything behind it, which is the script's."""
    parser.usage = f"{parser.prog} SCRIPT [arguments of the script]"
    parser.add_argument("script", help="such as deep-person-reid/scripts/main.py")
    words = parser.add_argument("words", nargs=argparse.REMAINDER, help="arguments of the script")
    words.required = False  # as argparse has it, and yet says that they are missing


def run(arguments: argparse.Namespace) -> int:
    """Runs the script as ``python SCRIPT ...`` would; returns its exit status.

    Raises:
        FileNotFoundError: there is no such script.
    """
    if not os.path.isfile(arguments.script):
        raise FileNotFoundError(f"there is no script {arguments.script!r}")
    sys.argv = [arguments.script, *arguments.words]
    # Python puts the script's folder, links resolved, where the launcher's own folder is now.
    if not getattr(sys.flags, "safe_path", False):
        sys.path[0] = os.path.dirname(os.path.realpath(arguments.script))
    main_script.name_modules()
    try:
        runpy.run_path(arguments.script, run_name="__main__")
    except Exception as error:
        if loss_of_workers(error):
            raise
        # An error of the script is shown whole: it is not about this command's arguments.
        traceback.print_exc()
        return 1
    return 0
