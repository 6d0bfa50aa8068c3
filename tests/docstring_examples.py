"""Runs the examples in docstrings of the public API."""

from __future__ import annotations

import doctest
import inspect
from typing import Any

import lsh_core

ADDRESS = "http://127.0.0.1:9200"
"""What stands in the examples for the address of Elasticsearch."""
WITHOUT_A_SERVER = (
    "AirlshError",
    "Connection",
    "Neighbour",
    "SearchRequest",
    "Services",
    "connect",
    "find_services",
)


def has_examples(name: str) -> bool:
    """Return whether a public name needs examples: all do but settings and special errors, shown with the verbs."""
    value = getattr(lsh_core, name)
    special = inspect.isclass(value) and issubclass(value, lsh_core.AirlshError) and name != "AirlshError"
    return name != "__version__" and not name.endswith("Settings") and not special


def examples_of(name: str, url: str = ADDRESS) -> list[doctest.DocTest]:
    """Return the examples of a public name, or of the package by its name, for a server at `url`."""
    value: Any = lsh_core if name == "lsh_core" else getattr(lsh_core, name)
    documented = [value, *(vars(value).values() if inspect.isclass(value) else ())]
    docstrings = [inspect.getdoc(each) or "" for each in documented if each is value or inspect.isfunction(each)]
    parser = doctest.DocTestParser()
    parsed = [
        parser.get_doctest(text.replace(ADDRESS, url), {}, name, inspect.getsourcefile(value), 0) for text in docstrings
    ]
    return [each for each in parsed if each.examples]


def run_examples(name: str, url: str = ADDRESS) -> str:
    """Run the examples of a public name, and return what went wrong; there is at least one."""
    failures: list[str] = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.IGNORE_EXCEPTION_DETAIL | doctest.ELLIPSIS)
    examples = examples_of(name, url)
    assert examples, f"{name} has no example"
    for each in examples:
        runner.run(each, out=failures.append)
    return "".join(failures)
