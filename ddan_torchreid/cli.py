"""The command line ``ddan-torchreid``: finds the command, reports what it rejects in one line.

Each command is a module of :mod:`ddan_torchreid.commands` with ``add_arguments(parser)`` and
``run(arguments)``, imported when it is called.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import sys
from collections.abc import Sequence

import torch

from .config.options import nearest
from .data.lost_workers import loss_of_workers
from .distributed import processes
from .system.files import expanded
from .system.streams import escape_unknown
from .version import __version__

# What to type -> one line of help. The module has the same name with underscores.
COMMANDS = {
    "train": "train a model from a configuration file",
    "evaluate": "score trained weights on the target domains",
    "central-domain": "print the distances between the sources and the central one (Eq. 3)",
    "run": "run torchreid's scripts/main.py with DDAN registered",
    "autoload": "register DDAN whenever torchreid is imported: enable, status, disable",
    "convert": "turn the weights that the authors released into a checkpoint",
    "download": "fetch CUHK-SYSU's crops, i-LIDS or the released weights",
    "export": "write a model as ONNX or torch.export, compared with PyTorch",
    "extract": "features of your own image files, without labels",
    "search": "rank the images of a gallery by similarity to a query image",
    "check-data": "check the datasets under a data root, every image included",
    "doctor": "print what is installed, which data is there and what is missing",
}

# What the system says of a path that names no file or no folder, whatever the disk holds.
NO_PATH = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.ELOOP)

GPU_IS_FULL = (
    "the memory of the GPU is full; write a smaller train.batch_size, with ddan.accumulate_steps "
    "for steps over as many images as before, or ddan.amp bf16 where it is off, or while testing a "
    "smaller test.batch_size"
)

# torch says "Expected more than 1 spatial element when training", also where nothing is trained.
SPATIAL = "Expected more than 1 spatial element"
TOO_SMALL = (
    "the images are too small: instance norm is left with a single pixel of them; write a larger "
    "height and width"
)

FEWER_WORKERS = {
    "train": "write a smaller data.workers; --resume goes on from the last checkpoint",
    "run": "write a smaller data.workers; model.resume auto goes on from the last checkpoint",
    "extract": "write a smaller --workers",
    "search": "write a smaller --workers",
}


HELP = f"""usage: ddan-torchreid COMMAND [arguments]

Dual Distribution Alignment Network for person re-identification, on torchreid.

commands:
{chr(10).join(f"  {name:<16}{text}" for name, text in COMMANDS.items())}

ddan-torchreid COMMAND --help describes each."""

REPORTED = (ValueError, TypeError, FloatingPointError, OSError, torch.OutOfMemoryError)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        raise ValueError(message)

    def exit(self, status: int = 0, message: str | None = None) -> None:  # type: ignore[override]
        sys.stdout.flush()  # where main() sees whether anyone reads it
        super().exit(status, message)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit status.

    0: done. 1: the run failed. 2: the input was rejected, with one line that says why. 130: it was
    interrupted. 141: what reads the output, such as ``head``, wants no more of it.
    """
    escape_unknown(sys.stdout, sys.stderr)
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        status = _run(words)
        sys.stdout.flush()
        return status
    except Exception as error:
        lost = loss_of_workers(error)
        if not lost and not isinstance(error, REPORTED):
            raise
        if isinstance(error, BrokenPipeError):
            # Or Python complains when it writes what it still has at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 141
        if "--traceback" in words:
            raise
        reason = GPU_IS_FULL if isinstance(error, torch.OutOfMemoryError) else str(error)
        if SPATIAL in reason:
            reason = TOO_SMALL
        if lost:
            reason = f"{lost}; {FEWER_WORKERS.get(words[0], 'write a smaller data.workers')}"
        status = 2 if not lost and _is_rejection(error) else 1
        verdict = "error" if status == 2 else "failed"
        if processes.may_report():
            print(f"ddan-torchreid: {verdict}: {' '.join(reason.split())}", file=sys.stderr)
        return status
    except KeyboardInterrupt:
        print("ddan-torchreid: interrupted", file=sys.stderr)
        return 130


def _is_rejection(error: Exception) -> bool:
    """Whether the input is at fault, not the machine or the course of the run."""
    if isinstance(error, OSError):
        missing_or_there = isinstance(error, (FileNotFoundError, FileExistsError))
        return missing_or_there or error.errno in NO_PATH
    return not isinstance(error, (FloatingPointError, torch.OutOfMemoryError))


def _run(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help"):
        print(HELP)
        return 0
    if words[0] == "--version":
        print(f"ddan-torchreid {__version__}")
        return 0
    name = words[0]
    if name not in COMMANDS:
        raise ValueError(f"unknown command {name!r}; {nearest(name, COMMANDS)}")
    command = importlib.import_module(f".commands.{name.replace('-', '_')}", __package__)
    parser = _Parser(prog=f"ddan-torchreid {name}", description=COMMANDS[name], allow_abbrev=False)
    parser.add_argument("--traceback", action="store_true", help="show where an error comes from")
    command.add_arguments(parser)
    # Commands with a configuration take KEY VALUE pairs anywhere among their flags.
    takes_pairs = getattr(command, "TAKES_OPTIONS", False)
    pairs: list[str] = []
    others = words[1:]
    if takes_pairs:
        from .integration.flags import take_pairs  # imports torchreid

        pairs, others = take_pairs(others)
    arguments, rest = parser.parse_known_args([_with_home(word) for word in others])
    unknown = [word for word in rest if word.startswith("--") or not takes_pairs]
    if unknown:
        flags = [flag for flag in parser._option_string_actions if flag.startswith("--")]
        raise ValueError(f"unknown argument {unknown[0]!r}; {nearest(unknown[0], flags)}")
    arguments.rest = pairs + rest
    if processes.launched() and not getattr(command, "IN_SEVERAL_PROCESSES", False):
        raise ValueError(f"{name} runs in one process; start it without torchrun")
    with processes.process_group():
        return command.run(arguments) or 0


def _with_home(word: str) -> str:
    """Expands ``~`` at the start and behind ``=``, where shells leave it: NAME=~/crops.csv."""
    return "=".join(expanded(part) for part in word.split("="))


if __name__ == "__main__":
    sys.exit(main())
