"""Registry of classes by name: built-in classes, and classes of installed packages.

A package adds a class by an entry point::

    [project.entry-points."airlsh.models"]
    random_lists = "our_package.random_lists:RandomLists"

    [project.entry-points."airlsh.metrics"]
    l1 = "our_package.l1:L1"

A class is imported when it is first used. Listing names imports nothing. `lsh_core.built_in` declares the built-in
classes, so that forms and options import none of them.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from lsh_core.errors import PluginError, SettingsError
from lsh_core.knobs import Knob

logger = logging.getLogger(__name__)

Found = TypeVar("Found")


@dataclass(frozen=True)
class Declaration:
    """Class by name, and what forms and options show of it.

    Attributes
    ----------
    target
        ``module:Class``.
    summary
        Description in a few words.
    """

    name: str
    target: str
    summary: str
    knobs: tuple[Knob, ...] = ()


class Registry:
    """Classes by name.

    Parameters
    ----------
    group
        Entry point group in which packages register their classes.
    setting
        Setting that holds a name.
    built_in
        Declarations of the built-in classes.
    """

    def __init__(self, group: str, setting: str, built_in: Iterable[Declaration]) -> None:
        self.group, self.setting = group, setting
        self._built_in = {each.name: each for each in built_in}
        self._loaded: dict[str, Any] = {}

    def names(self) -> tuple[str, ...]:
        """Return the built-in names, then the names of packages, sorted."""
        return (*self._built_in, *sorted(self._added().keys() - self._built_in.keys()))

    def check(self, name: str) -> str:
        """Return `name` if it is registered.

        Otherwise `SettingsError` lists the known names.
        """
        if name not in self._built_in and name not in self._added():
            raise SettingsError(self.setting, name, f"must be one of {', '.join(self.names())}")
        return name

    def load(self, name: str) -> Any:
        """Return the class registered under `name`.

        Raises
        ------
        SettingsError
            The name is not registered.
        PluginError
            Two packages register the name, or the class of a package cannot be imported.
        """
        self.check(name)
        if name in self._built_in:
            if name not in self._loaded:
                module, _, attribute = self._built_in[name].target.partition(":")
                self._loaded[name] = getattr(import_module(module), attribute)
            return self._loaded[name]
        return self._load_entry_point(name)

    def declared(self, name: str) -> Declaration:
        """Return the declaration of `name`; a class of another package is imported for it.

        Raises as `load` does.
        """
        if name in self._built_in:
            return self._built_in[name]
        found = self.load(name)
        target = f"{found.__module__}:{found.__qualname__}"
        return Declaration(name, target, str(getattr(found, "summary", "")), getattr(found, "knobs", ()))

    def all_declared(self) -> Iterator[Declaration]:
        """Yield all declarations.

        The class of another package that cannot be loaded is logged and omitted.
        """
        return self._available(self.declared)

    def load_all(self) -> Iterator[tuple[str, Any]]:
        """Yield each name with its class.

        A class that cannot be loaded is logged and omitted.
        """
        return self._available(lambda name: (name, self.load(name)))

    def _available(self, read: Callable[[str], Found]) -> Iterator[Found]:
        for name in self.names():
            try:
                yield read(name)
            except PluginError as error:
                logger.warning("%s", error)

    def _added(self) -> Mapping[str, tuple[EntryPoint, ...]]:
        return _entry_points(self.group, tuple(sys.path))

    def _load_entry_point(self, name: str) -> Any:
        entry, *others = self._added()[name]
        if others:
            distributions = ", ".join(sorted(_distribution(each) for each in (entry, *others)))
            raise PluginError(self.group, name, distributions, "is registered by more than one package")
        if entry.value not in self._loaded:
            try:
                found = entry.load()
            except Exception as error:
                reason = f"cannot be imported from {entry.value}: {type(error).__name__}: {error}"
                raise PluginError(self.group, name, _distribution(entry), reason) from error
            self._loaded[entry.value] = self._checked(name, entry, found)
        return self._loaded[entry.value]

    def _checked(self, name: str, entry: EntryPoint, found: Any) -> Any:
        if not isinstance(found, type) or getattr(found, "name", None) != name:
            reason = f"must be a class whose attribute `name` is {name!r}, but {entry.value} is {found!r}"
            raise PluginError(self.group, name, _distribution(entry), reason)
        return found


@lru_cache(maxsize=8)
def _entry_points(group: str, path: tuple[str, ...]) -> Mapping[str, tuple[EntryPoint, ...]]:
    """Return the entry points of a group by name.

    `path` is ``sys.path``, which determines the installed packages; it is a key of the cache.
    """
    found: dict[str, dict[str, EntryPoint]] = {}
    for entry in entry_points(group=group):
        found.setdefault(entry.name, {})[f"{_distribution(entry)} {entry.value}"] = entry
    return {name: tuple(entries.values()) for name, entries in found.items()}


def _distribution(entry: EntryPoint) -> str:
    return "an unknown package" if entry.dist is None else f"{entry.dist.name} {entry.dist.version}"
