"""The command line ``ddan-torchreid``: argument parsing only."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from .settings import nearest
from .version import __version__


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit status.

    0: done. 1: the run failed. 2: the input was rejected, with one line that says why.
    """
    parser = _build_parser()
    arguments, rest = parser.parse_known_args(argv)
    command: Callable[[argparse.Namespace], None] | None = getattr(arguments, "run", None)
    if command is None:
        parser.print_help()
        return 0 if not rest else _reject(f"unknown arguments {' '.join(rest)}")
    takes_options = hasattr(arguments, "config_file")
    flags = [word for word in rest if word.startswith("--") or not takes_options]
    if flags:
        known = [flag for flag in arguments.flags if flag.startswith("--")]
        return _reject(f"unknown argument {flags[0]!r}; {nearest(flags[0], known)}")
    if takes_options:
        arguments.opts = _split_options(arguments) + rest
    try:
        command(arguments)
    except (ValueError, TypeError, FileNotFoundError, FileExistsError) as error:
        if arguments.traceback:
            raise
        return _reject(str(error))
    except FloatingPointError as error:
        print(f"ddan-torchreid: training stopped: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _reject(message: str) -> int:
    print(f"ddan-torchreid: error: {' '.join(message.split())}", file=sys.stderr)
    return 2


def _split_options(arguments: argparse.Namespace) -> list[str]:
    # `-t viper model.name X` would take the options for targets; names have no dots, keys have.
    options: list[str] = []
    for name in ("sources", "targets", "transforms"):
        words = getattr(arguments, name) or []
        for position, word in enumerate(words):
            if "." in word:
                options += words[position:]
                setattr(arguments, name, words[:position] or None)
                break
    return options


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ddan-torchreid",
        description="Dual Distribution Alignment Network for person re-identification, on torchreid.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    train = _add(commands, "train", _train, "train a model from a configuration file")
    _add_configuration(train)

    evaluate = _add(commands, "evaluate", _evaluate, "score trained weights on the targets")
    _add_configuration(evaluate)
    evaluate.add_argument("--weights", default="", help="checkpoint to score")

    central = _add(
        commands,
        "central-domain",
        _central_domain,
        "print the Wasserstein distances between the sources and the central one (Eq. 3)",
    )
    _add_configuration(central)
    central.add_argument("--weights", default="", help="checkpoint of the baseline model")
    central.add_argument("--samples", type=int, default=1000, help="images per source")

    demo = _add(commands, "demo", _demo, "train baseline and DDAN on drawn pedestrians, compare")
    demo.add_argument("--output", default="runs/demo", help="folder for all that it writes")
    demo.add_argument("--epochs", type=int, default=None, help="shorter or longer than the default")
    demo.add_argument("--seed", type=int, default=1)

    render = _add(commands, "render", _render, "draw the pedestrians of one domain or more")
    render.add_argument("domains", nargs="*", help="names; all sources and targets by default")
    render.add_argument("--root", default="reid-data", help="data root")
    render.add_argument("--identities", type=int, default=None, help="training identities")
    render.add_argument("--test-identities", type=int, default=None, help="identities to test on")
    render.add_argument("--images", type=int, default=None, help="images per identity and camera")
    render.add_argument("--height", type=int, default=128)
    render.add_argument("--width", type=int, default=64)

    for each in commands.choices.values():
        each.add_argument("--traceback", action="store_true", help=argparse.SUPPRESS)
        each.set_defaults(flags=list(each._option_string_actions))
    return parser


def _add(
    commands: argparse._SubParsersAction, name: str, run: Callable, text: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
    parser.set_defaults(run=run)
    return parser


def _add_configuration(parser: argparse.ArgumentParser) -> None:
    parser.usage = f"{parser.prog} --config-file FILE [flags] [KEY VALUE ...]"
    parser.epilog = "KEY VALUE pairs change any key of the configuration, such as train.lr 0.05"
    parser.add_argument("--config-file", default="", help="YAML file, or the name of a shipped one")
    parser.add_argument("-s", "--sources", nargs="+", help="source datasets")
    parser.add_argument("-t", "--targets", nargs="+", help="target datasets")
    parser.add_argument("--transforms", nargs="+", help="data augmentation")
    parser.add_argument("--root", default="", help="path to the data root")


# Each command imports what it needs when it runs, so that --help and a typo answer at once.


def _train(arguments: argparse.Namespace) -> None:
    from .commands import train

    train(arguments)


def _evaluate(arguments: argparse.Namespace) -> None:
    from .commands import evaluate

    evaluate(arguments)


def _central_domain(arguments: argparse.Namespace) -> None:
    from .commands import central_domain

    central_domain(arguments)


def _demo(arguments: argparse.Namespace) -> None:
    from .experiments.demo import run

    run(arguments.output, epochs=arguments.epochs, seed=arguments.seed)


def _render(arguments: argparse.Namespace) -> None:
    from .data import rendered

    for name in arguments.domains or (*rendered.SOURCES, *rendered.TARGETS):
        path = rendered.draw_domain(
            name,
            arguments.root,
            identities=arguments.identities,
            images_per_camera=arguments.images,
            test_identities=arguments.test_identities,
            height=arguments.height,
            width=arguments.width,
        )
        print(path)


if __name__ == "__main__":
    sys.exit(main())
