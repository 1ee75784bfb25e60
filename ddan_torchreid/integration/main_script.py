"""torchreid's ``scripts/main.py``, unmodified, for configurations that ask for DDAN.

The script takes its configuration from a module ``default_config`` in its own folder and passes it
to that module's functions, so these are where DDAN comes in (:func:`extend`):

* ``get_default_config()``: the configuration takes ``ddan:`` keys;
* ``imagedata_kwargs(config)``, just before the script builds the data: with ``loss.name`` ``ddan``
  the configuration is checked, and ``torchreid.engine.ImageTripletEngine``, which the script
  builds for every loss but softmax, is until then a function that builds DDAN's engine;
* ``torchreid.utils.Logger``, which the script builds once the configuration is known: its log has a
  name of its own, and what a stream cannot encode is written as an escape.

Nothing else is touched, and without ``loss.name: ddan`` nothing is replaced at all. A training
holds its output folder until the script ends.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torchreid
import yaml
from torch import nn
from yacs.config import CfgNode

from ..config import schema
from ..system.files import unshared
from ..system.folder_lock import locked, make_folder
from ..system.streams import escape_unknown
from . import builder, checks

# The functions of torchreid's default_config.py that this module relies on.
FUNCTIONS = ("get_default_config", "imagedata_kwargs", "videodata_kwargs")
# The script tells nobody when it ends.
_until_the_end = contextlib.ExitStack()
atexit.register(_until_the_end.close)


def extend(module: Any) -> None:
    """Lets a script's ``default_config`` module take configurations that ask for DDAN.

    Args:
        module: the module. One that is not torchreid's, or is extended already, stays as it is.
    """
    functions = [getattr(module, name, None) for name in FUNCTIONS]
    if not all(functions) or hasattr(module.get_default_config, "__wrapped__"):
        return
    module.get_default_config = _taking_ddan_keys(module.get_default_config)
    module.imagedata_kwargs = _preparing_ddan(module.imagedata_kwargs)
    module.videodata_kwargs = _preparing_ddan(module.videodata_kwargs)


def name_modules() -> None:
    """Lets a script written for the repository's torchreid run on PyPI's.

    There ``torchreid.utils`` is an attribute and no module, so ``from torchreid.utils import ...``
    fails; afterwards it finds the module ``torchreid.reid.utils``.
    """
    for name, module in list(sys.modules.items()):
        if name.startswith("torchreid.reid."):
            sys.modules.setdefault(name.replace(".reid.", ".", 1), module)


class ScriptConfig(CfgNode):
    """The script's configuration, with a ``ddan:`` node as soon as something asks for DDAN.

    Files and options that do not are merged by yacs, as without this package.
    """

    # yacs makes nodes of the class that merges, and merges them into nodes of the same type only;
    # those below this one are CfgNode.
    load_cfg = CfgNode.load_cfg
    _decode_cfg_value = CfgNode._decode_cfg_value

    def __str__(self) -> str:
        """What the script shows of it: for DDAN only what differs from the defaults."""
        return schema.changes(self) if "ddan" in self else super().__str__()

    def merge_from_file(self, cfg_filename: str) -> None:
        """Merges a YAML file: a path, or the name of one that ships with this package."""
        with contextlib.suppress(FileNotFoundError):
            cfg_filename = str(schema.find_file(cfg_filename))
        if not _asks_for_ddan(cfg_filename):
            super().merge_from_file(cfg_filename)
            return
        with _one_line_errors():
            _add_ddan_node(self)
            schema.merge_file(self, cfg_filename)

    def merge_from_list(self, cfg_list: Sequence[str]) -> None:
        """Merges KEY VALUE KEY VALUE ..."""
        keys, values = cfg_list[::2], cfg_list[1::2]
        asks = ("loss.name", "ddan") in zip(keys, values, strict=False)
        if "ddan" not in self and not asks and not any(key.startswith("ddan.") for key in keys):
            super().merge_from_list(cfg_list)
            return
        with _one_line_errors():
            _add_ddan_node(self)
            schema.merge_options(self, cfg_list)


def _add_ddan_node(configuration: CfgNode) -> None:
    if "ddan" not in configuration:
        configuration.ddan = schema.get_default_config().ddan
        _wrap_logger(torchreid.utils.Logger)


def _asks_for_ddan(path: str) -> bool:
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return False
    if not isinstance(content, dict):
        return False
    loss = content.get("loss")
    return "ddan" in content or (isinstance(loss, dict) and loss.get("name") == "ddan")


def _taking_ddan_keys(original: Callable[[], Any]) -> Callable[[], Any]:
    @functools.wraps(original)
    def get_default_config() -> Any:
        configuration = original()
        if isinstance(configuration, CfgNode):
            # The script's own object, with whatever it has set on it; yacs guards plain setattr.
            object.__setattr__(configuration, "__class__", ScriptConfig)
        return configuration

    return get_default_config


def _wrap_logger(logger: Any) -> None:
    original = logger.__init__
    if hasattr(original, "__wrapped__"):
        return

    @functools.wraps(original)
    def initialise(self: Any, fpath: str | None = None) -> None:
        if fpath is not None:
            with _one_line_errors():
                make_folder(Path(fpath).parent)
                fpath = str(unshared(Path(fpath)))
        original(self, fpath)
        escape_unknown(self.console, self.file)

    logger.__init__ = initialise


def _preparing_ddan(original: Callable[[Any], dict]) -> Callable[[Any], dict]:
    @functools.wraps(original)
    def data_kwargs(configuration: Any) -> dict:
        if configuration.loss.name == "ddan":
            with _one_line_errors():
                _prepare(configuration)
        return original(configuration)

    return data_kwargs


def _prepare(configuration: Any) -> None:
    """Checks the configuration, and makes the script build DDAN's engine from it."""
    _add_ddan_node(configuration)
    _check_names(configuration)
    checks.check(configuration)
    if not configuration.test.evaluate:
        _until_the_end.enter_context(locked(configuration.data.save_dir))
    builder.find_weights(configuration)
    weights = {key: configuration.model[key] for key in ("load_weights", "resume")}
    # The script would load the model alone, and before there is a discriminator or an ID pool.
    configuration.model.update(dict.fromkeys(weights, ""))
    original = torchreid.engine.ImageTripletEngine

    def build_engine(
        datamanager: Any, model: nn.Module, optimizer: Any, scheduler: Any = None, **triplet: Any
    ) -> Any:
        torchreid.engine.ImageTripletEngine = original
        configuration.model.update(weights)
        with _one_line_errors():
            # The script reads the epoch to start from when it runs the engine.
            return builder.build_engine(configuration, datamanager, model, optimizer, scheduler)

    torchreid.engine.ImageTripletEngine = build_engine


def _check_names(configuration: Any) -> None:
    for key in ("sources", "targets", "transforms"):
        for name in configuration.data[key]:
            if "." in name:
                raise ValueError(
                    f"data.{key} holds {name!r}: the script takes all words behind -s, -t and "
                    "--transforms for names; write --root last, before KEY VALUE pairs"
                )


@contextlib.contextmanager
def _one_line_errors() -> Iterator[None]:
    """Ends the script as argparse does when the configuration cannot work."""
    try:
        yield
    except (ValueError, OSError) as error:
        print(f"ddan_torchreid: error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
