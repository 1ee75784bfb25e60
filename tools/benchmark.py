"""Measures the package against torchreid and bare operations, and prints the ratios.

    python tools/benchmark.py step
    python tools/benchmark.py pool --device cuda --json pool.json
    python tools/benchmark.py all --json docs/benchmarks_cpu.json --markdown docs/benchmarks.md
    python tools/benchmark.py ddp --rounds 40
    python tools/benchmark.py all --device cuda --json docs/benchmarks_gpu.json
    python tools/benchmark.py render docs/benchmarks_*.json --markdown docs/benchmarks.md

What is compared runs in turn, round by round, in one process. On a CPU the time is that of the
processor, with one thread, and glibc's malloc keeps large blocks on its heap: giving them back to
the system and asking for them again makes the same code twice as slow at random. `ddp` alone
starts processes that live side by side, so its time is that of the wall.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import BENCHMARKS, ON_GPU

ALLOCATOR = {"MALLOC_MMAP_MAX_": "0"}
# torchreid warns that it has no Cython evaluator: the Python one is what is measured.
QUIET = {"PYTHONWARNINGS": "ignore:Cython evaluation"}


def main() -> None:
    arguments = _parse()
    if arguments.what == "render":
        _write([_read(file) for file in arguments.files], arguments.markdown)
    elif arguments.what == "all":
        _check_device(arguments.device)
        _run_all(arguments)
    else:
        _restart_with_settings(arguments)
        _check_device(arguments.device)
        run = _run(arguments)
        from benchmarks.results import as_text

        print(as_text(run))
        _save(arguments.json, run)
        _write([run], arguments.markdown)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=[*BENCHMARKS, "all", "render"])
    parser.add_argument("files", nargs="*", metavar="JSON", help="results, for render only")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--rounds", type=int, help="of each measurement; default: its own")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU")
    parser.add_argument("--tiny", action="store_true", help="sizes that only test the program")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables there")
    arguments = parser.parse_args()
    if (arguments.what == "render") != bool(arguments.files):
        parser.error("render takes JSON files, and nothing else does")
    for name in ("rounds", "threads"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            parser.error(f"--{name} {value}: write 1 or more")
    return arguments


def _read(file: str) -> dict[str, Any]:
    try:
        run = json.loads(Path(file).read_text())
        if all(run[key] for key in ("command", "machine", "results")):
            return run
    except (OSError, ValueError, LookupError, TypeError):
        pass
    sys.exit(f"{file} holds no results of this program; write a file that --json has made")


def _check_device(device: str) -> None:
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        sys.exit("there is no GPU for --device cuda; leave it out to measure on the CPU")


def _restart_with_settings(arguments: argparse.Namespace) -> None:
    """Starts this program again where the libraries' settings, read on loading, are others."""
    wanted = {name: str(arguments.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    wanted |= QUIET
    if arguments.device == "cpu":
        wanted |= ALLOCATOR
    if wanted.items() - os.environ.items():
        sys.stdout.flush()
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | wanted)


def _run(arguments: argparse.Namespace) -> dict[str, Any]:
    import cv2
    import torch
    from benchmarks.results import machine
    from benchmarks.timing import Options

    torch.set_num_threads(arguments.threads)
    cv2.setNumThreads(arguments.threads if arguments.threads > 1 else 0)
    device = torch.device(arguments.device)
    options = Options(device, arguments.rounds, arguments.tiny, arguments.threads)
    benchmark = importlib.import_module(f"benchmarks.{arguments.what}")
    result = benchmark.run(options)
    found = machine(device, arguments.threads)
    found["time"] = getattr(benchmark, "CLOCK", found["time"])
    if options.tiny:
        result.title = f"{result.title}; --tiny: smaller, so that the figures mean nothing"
        for row in result.ratios:
            row["reach"] = None
    return {"command": _command(), "machine": found, "results": [vars(result)]}


def _run_all(arguments: argparse.Namespace) -> None:
    """Each measurement in a process of its own, so that none leaves its memory to the next.

    What has been measured is written at once: a later failure or interruption takes nothing away.
    """
    done: dict[str, Any] = {}
    failed = []
    for name in ON_GPU if arguments.device == "cuda" else BENCHMARKS:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "results.json"
            command = [sys.executable, __file__, name, "--json", str(file)]
            command += ["--device", arguments.device, "--threads", str(arguments.threads)]
            command += ["--rounds", str(arguments.rounds)] if arguments.rounds else []
            command += ["--tiny"] if arguments.tiny else []
            if subprocess.run(command).returncode:
                failed.append(name)
                continue
            run = json.loads(file.read_text())
        done = done or {"command": _command(), "machine": run["machine"], "results": []}
        done["results"] += run["results"]
        _save(arguments.json, done)
        _write([done], arguments.markdown)
        print(flush=True)
    if failed:
        sys.exit(f"failed, see above: {', '.join(failed)}")


def _command() -> str:
    return shlex.join(["python", "tools/benchmark.py", *sys.argv[1:]])


def _save(file: Path | None, run: dict[str, Any]) -> None:
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(run, indent=1) + "\n")


def _write(runs: list[dict[str, Any]], file: Path | None) -> None:
    from benchmarks.results import as_markdown

    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(as_markdown(runs))
    elif len(sys.argv) > 1 and sys.argv[1] == "render":
        print(as_markdown(runs), end="")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("interrupted; what was measured before is written", file=sys.stderr)
        sys.exit(130)
