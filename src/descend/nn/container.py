"""Modules that hold modules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

from descend import functions as F
from descend.core.errors import kind_of
from descend.nn.module import Module


class ModuleList(Module):
    """Modules in a list, under the names 0, 1, ...; it is not called itself."""

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        self.extend(modules)

    def append(self, module: Module) -> Self:
        """Put a module at the end."""
        if not isinstance(module, Module):
            raise TypeError(
                f"{type(self).__name__}: element {len(self)} is {kind_of(module)}, "
                f"a Module is needed"
            )
        setattr(self, str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Put modules at the end."""
        for module in modules:
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> None:
        """Put a module before the one at ``index``."""
        modules = list(self)
        modules.insert(index, module)
        self._replace(modules)

    def _replace(self, modules: list[Module]) -> None:
        """Hold these modules instead."""
        for name, _ in list(self.named_children()):
            delattr(self, name)
        self.extend(modules)

    def __len__(self) -> int:
        return sum(1 for _ in self.children())

    def __iter__(self) -> Iterator[Module]:
        return iter(list(self.children()))

    def __getitem__(self, index: int | slice) -> Any:
        modules = list(self.children())
        return type(self)(modules[index]) if isinstance(index, slice) else modules[index]

    def __setitem__(self, index: int, module: Module) -> None:
        names = [name for name, _ in self.named_children()]
        setattr(self, names[index], module)

    def __delitem__(self, index: int | slice) -> None:
        modules = list(self.children())
        del modules[index]
        self._replace(modules)


class Sequential(ModuleList):
    """Modules called one after the other, each with what the one before answered.

    They are given one by one, or as a dict with their names.

    >>> model = descend.nn.Sequential(descend.nn.Linear(2, 3), descend.nn.ReLU())
    >>> model
    Sequential(
      (0): Linear(in_features=2, out_features=3, bias=True)
      (1): ReLU()
    )
    >>> model(np.ones((5, 2), np.float32)).shape
    (5, 3)
    """

    def __init__(self, *modules: Module | Mapping[str, Module]) -> None:
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            for name, module in modules[0].items():
                setattr(self, name, module)
        else:
            super().__init__(modules)  # pyright: ignore[reportArgumentType]

    def forward(self, x: Any) -> Any:
        """What the last module answers."""
        for module in self.children():
            x = module(x)
        return x

    def __getitem__(self, index: int | slice) -> Any:
        modules = list(self.children())
        return type(self)(*modules[index]) if isinstance(index, slice) else modules[index]


class Flatten(Module):
    """The axes from ``start_axis`` to ``end_axis`` made one: (N, C, H, W) becomes (N, C*H*W)."""

    def __init__(self, start_axis: int = 1, end_axis: int = -1) -> None:
        self.start_axis = start_axis
        self.end_axis = end_axis

    def forward(self, x: Any) -> Any:
        """x with these axes made one."""
        return F.flatten(x, self.start_axis, self.end_axis)

    def extra_repr(self) -> str:
        """The axes."""
        return f"start_axis={self.start_axis}, end_axis={self.end_axis}"
