"""Does something right after a module is imported for the first time.

``ddan-torchreid autoload enable`` copies this file into the environment, where Python reads it at
every start. So it imports nothing but ``sys``, and knows this package by the name that it is given.
"""

import sys


class AfterImport:
    """Finder for ``sys.meta_path`` that calls ``action(module)`` after a module has been executed.

    The module itself is found by the finders behind this one and executed by its own loader.
    """

    def __init__(self, name: str, action):
        self.name = name
        self.action = action

    def find_spec(self, name: str, path=None, target=None):
        """Part of the import protocol."""
        if name != self.name:
            return None
        for finder in sys.meta_path[sys.meta_path.index(self) + 1 :]:
            find_spec = getattr(finder, "find_spec", None)
            spec = find_spec(name, path, target) if find_spec else None
            if spec is not None:
                # A folder without __init__.py has no code to execute, hence no such loader.
                if hasattr(spec.loader, "exec_module"):
                    spec.loader = _Loader(spec.loader, self.action)
                return spec
        return None


class _Loader:
    def __init__(self, loader, action):
        self._loader = loader
        self._action = action

    def __getattr__(self, name):
        return getattr(self._loader, name)

    def exec_module(self, module) -> None:
        # The module keeps no trace of this class, so that inspect and pickle see its own loader.
        module.__loader__ = module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._action(module)


def after_import(name: str, action) -> None:
    """Calls ``action(module)`` whenever the module is imported; at once if it is already.

    A second call for the same module changes nothing.

    Args:
        name: full name of the module.
        action: what to call.
    """
    if any(isinstance(finder, AfterImport) and finder.name == name for finder in sys.meta_path):
        return
    sys.meta_path.insert(0, AfterImport(name, action))
    if name in sys.modules:
        action(sys.modules[name])


def autoload(package: str) -> None:
    """Imports a package whenever torchreid is imported, which registers it there."""
    after_import("torchreid", lambda _: _import(package))


def _import(package: str) -> None:
    import importlib  # Python has it loaded by then, and not at its start

    try:
        importlib.import_module(package)
    except Exception as error:
        # torchreid works without it, and so must every program that only uses torchreid.
        reason = " ".join(str(error).split())
        print(
            f"{package} is not loaded ({type(error).__name__}: {reason}); to stop loading it, "
            f"delete {__file__[:-3]}.pth",
            file=sys.stderr,
        )
