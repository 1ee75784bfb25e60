"""A process that trains one run after the other, as the queue tells it.

    python -m experiments.gpu_study.worker WORK

It takes a line of JSON for each run from standard input, and answers on standard output: lines with
``steps``, and a last one with ``record`` or ``error``. What is printed meanwhile goes to standard
error.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import torch

from .options import read
from .run import carry_out, code_of
from .runs import register


def main() -> None:
    """Works until standard input ends."""
    options = read(Path(sys.argv[1]))
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def answer(**content: Any) -> None:
        answers.write(json.dumps(content, allow_nan=False) + "\n")
        answers.flush()

    register(options.data)
    runs = options.runs()
    for line in sys.stdin:
        job = json.loads(line)
        run = runs[job["number"]]
        print(f"== {run.key}", flush=True)
        try:
            config = options.config(run, job["centres"])
            code = code_of(config, options.steps)
            record = carry_out(run, config, options.work, code, lambda steps: answer(steps=steps))
            answer(record=record)
        except Exception as error:
            traceback.print_exc()
            answer(error=f"{type(error).__name__}: {error}"[:500])
            if torch.cuda.is_available():
                return  # an error of a GPU stays with its process


if __name__ == "__main__":
    main()
