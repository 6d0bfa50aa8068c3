"""Reads the index templates of a cluster that would apply to an index.

Templates are read and merged here. Their simulation by the server needs the privilege to change templates.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.inheritance import Inherited, flat_settings


def read_inherited(cluster: Cluster, index: str) -> Inherited:
    """Return everything that an index named `index` would inherit if created now.

    The composable template of the highest priority applies alone. Legacy templates apply only if no composable template
    matches.
    """
    found = cluster.run(lambda client: client.indices.get_index_template(flat_settings=True))["index_templates"]
    matching = [each for each in found if _matches(each["index_template"]["index_patterns"], index)]
    if matching:
        return _composed(cluster, max(matching, key=lambda each: each["index_template"].get("priority", 0)))
    with warnings.catch_warnings():
        # The server warns that legacy templates are deprecated; they are only read here.
        warnings.simplefilter("ignore")
        legacy = cluster.run(lambda client: client.indices.get_template(flat_settings=True)).body
    return _legacy({name: each for name, each in legacy.items() if _matches(each["index_patterns"], index)})


def _composed(cluster: Cluster, winner: Mapping[str, Any]) -> Inherited:
    template = winner["index_template"]
    parts: list[Mapping[str, Any]] = []
    wanted = template.get("composed_of", [])
    if wanted:
        known = cluster.run(lambda client: client.cluster.get_component_template(flat_settings=True))[
            "component_templates"
        ]
        components = {each["name"]: each["component_template"]["template"] for each in known}
        parts = [components[name] for name in wanted if name in components]
    return _merged(
        [*parts, template.get("template", {})],
        templates=(winner["name"],),
        data_stream="data_stream" in template,
        shield_priority=template.get("priority", 0) + 1,
    )


def _legacy(templates: Mapping[str, Mapping[str, Any]]) -> Inherited:
    if not templates:
        return Inherited()
    ordered = sorted(templates, key=lambda name: templates[name].get("order", 0))
    return _merged([templates[name] for name in ordered], templates=tuple(ordered), legacy=True)


def _merged(parts: Iterable[Mapping[str, Any]], **facts: Any) -> Inherited:
    settings: dict[str, Any] = {}
    mappings: dict[str, Any] = {}
    aliases: dict[str, Any] = {}
    for part in parts:
        settings |= flat_settings(part.get("settings", {}))
        mappings = _deep(mappings, part.get("mappings", {}))
        aliases |= part.get("aliases", {})
    return Inherited(settings=settings, mappings=mappings, aliases=aliases, **facts)


def _deep(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = _deep(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def _matches(patterns: str | Iterable[str], index: str) -> bool:
    each = [patterns] if isinstance(patterns, str) else patterns
    return any(re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), index) for pattern in each)
