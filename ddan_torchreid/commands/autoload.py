"""``ddan-torchreid autoload``: whether ``import torchreid`` registers DDAN by itself."""

from __future__ import annotations

import argparse

from ..integration import autoload

EXPLANATIONS = {
    "enabled": "importing torchreid registers DDAN",
    "disabled": "DDAN is registered by 'import ddan_torchreid' only",
    "outdated": "it was enabled by another version; run 'ddan-torchreid autoload enable' again",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the action."""
    parser.add_argument(
        "action", nargs="?", default="status", choices=["enable", "status", "disable"]
    )


def run(arguments: argparse.Namespace) -> None:
    """Changes the environment of the running Python as asked, then says how it is."""
    if arguments.action == "enable":
        autoload.enable()
    elif arguments.action == "disable":
        autoload.disable()
    state = autoload.status()
    print(f"autoload is {state} in {autoload.site_packages()}: {EXPLANATIONS[state]}")
