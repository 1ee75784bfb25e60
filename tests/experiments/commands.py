"""Experiments from the command line at their smallest, and how one of them is killed."""

from ddan_torchreid.cli import main
from ddan_torchreid.experiments import processes, records


def experiment(name, root, output, *flags):
    words = ["experiment", name, "--scale", "tiny", "--root", str(root), "--output", str(output)]
    return main([*words, "--domains", "rendered", *flags])


class KilledError(Exception):
    """Ends an experiment as nothing in the package does."""


def killed_in_the_middle(patch):
    """Ends what follows in the second epoch that it trains, or before its second record."""
    train, append = processes.train, records.append
    done = {"epochs": 0.0, "records": 0}

    def train_partly(job, report):
        def step(part):
            done["epochs"] += part
            if done["epochs"] > 1.5:
                raise KilledError
            report(part)

        train(job, step)

    def append_one(folder, record):
        done["records"] += 1
        if done["records"] == 2:
            raise KilledError
        append(folder, record)

    patch.setattr(processes, "train", train_partly)
    patch.setattr(records, "append", append_one)


def of(output, name):
    return records.newest(records.read(output), name)
