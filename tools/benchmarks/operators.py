"""What a computation asks of a device, counted without one."""

from __future__ import annotations

from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

_NO_WORK = (
    "alias",
    "detach",
    "empty",
    "expand",
    "select",
    "slice",
    "squeeze",
    "t",
    "unbind",
    "unsqueeze",
    "view",
)
# These read a value or a size that depends on one.
_WAITING = ("_local_scalar_dense", "nonzero", "_unique2", "masked_select", "is_nonzero", "equal")


class OperatorCounter(TorchDispatchMode):
    """Notes, while it is entered, the operators that start work on a device.

    Attributes:
        names: of the operators, in their order; views and allocations are not among them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    @property
    def waits(self) -> list[str]:
        """Those of them for which the host waited."""
        return [name for name in self.names if name in _WAITING]

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict | None = None
    ) -> Any:
        name = func.overloadpacket.__name__
        if name not in _NO_WORK:
            self.names.append(name)
        return func(*args, **(kwargs or {}))
