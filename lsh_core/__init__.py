"""airlsh: similarity search inside stock Elasticsearch, built in batches that are verified before they go live.

Quick start: train a model of the vectors, index the rows, and search the live build.

>>> import lsh_core
>>> services = lsh_core.find_services("http://127.0.0.1:9200")
>>> source = "examples/debian_packages.parquet"
>>> trained = lsh_core.train(lsh_core.TrainSettings(name="packages", source=source, metric="cosine"), services)
>>> indexed = lsh_core.index(
...     lsh_core.IndexSettings(name="packages", source=source, text_field=("description",)), services
... )
>>> with lsh_core.VectorIndex("packages", "http://127.0.0.1:9200") as index:
...     result = index.search(id="gimp", k=3, filter={"term": {"section": "graphics"}})
>>> [neighbour.rank for neighbour in result.neighbours]
[1, 2, 3]

Names of this package are imported when they are first used: ``import lsh_core`` alone imports neither NumPy nor
PyArrow nor the client of Elasticsearch.

===================================  ==============================================================================
connect, Connection                  where Elasticsearch is
find_services, Services              the servers that a verb works with
VectorIndex                          search, and live changes
SearchRequest                        one search
SearchResult, Neighbour              what a search found
QueryEncoder                         texts and images as queries
train, index, evaluate, ...          the verbs; each takes its settings, such as `TrainSettings`, and the services
AirlshError, InputError, ...         the errors, drawn as a tree in `lsh_core.errors`
===================================  ==============================================================================

The packages inside and the one direction in which they import each other are in ``CONTRIBUTING.md``.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_homes: dict[str, tuple[str, str]] = {}
"""Module and attribute of each public name; empty until a name is used."""


def _read_homes() -> dict[str, tuple[str, str]]:
    """Return the public names of the stub beside this file, as type checkers read them.

    A name is public if it is imported as itself (``from module import Name as Name``) or assigned (``name = Other``).
    """
    import ast

    imported, public = {}, {}
    for statement in ast.parse(__spec__.loader.get_data(f"{__file__}i")).body:
        if isinstance(statement, ast.ImportFrom):
            for each in statement.names:
                imported[each.name] = (statement.module, each.name)
                if each.asname:
                    public[each.asname] = imported[each.name]
        elif isinstance(statement, ast.Assign):
            public[statement.targets[0].id] = imported[statement.value.id]
    return public


def __getattr__(name: str) -> Any:
    if not _homes:
        _homes.update(_read_homes())
    if name == "__all__":
        return sorted(_homes)
    if name not in _homes:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, own_name = _homes[name]
    value = globals()[name] = getattr(import_module(module), own_name)
    return value


def __dir__() -> list[str]:
    return __getattr__("__all__")
