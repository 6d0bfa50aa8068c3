"""Shields an index from the index templates of its cluster. Pure: no I/O.

The body that creates the index overrides the settings of a template: a null restores the default of a setting. Some
parts of a template cannot be overridden, because the server refuses or merges them. These parts are conflicts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

TIER = "index.routing.allocation.include._tier_preference"

_FIELD_LIMIT = "index.mapping.total_fields.limit"
_USUAL_FIELD_LIMIT = 1000

_ALWAYS: dict[str, Any] = {
    "index.default_pipeline": "_none",
    "index.final_pipeline": "_none",
    "index.write.wait_for_active_shards": "1",
}
_DEFAULTS: dict[str, Any] = {
    TIER: "data_content",
    "index.number_of_replicas": 0,  # `auto_expand_replicas` may raise it; a build sets its own number.
    "index.number_of_shards": 1,
    "index.analysis.analyzer.default.type": "standard",
    "index.analysis.analyzer.default_search.type": "standard",
    "index.analysis.analyzer.default_search_quoted.type": "standard",
    "index.similarity.default.type": "BM25",
}
"""Overrides for settings where a null is refused or is not the default."""

_NAMED_GROUPS = ("index.analysis.", "index.similarity.")
"""Settings whose parts the server refuses to null one by one. They have no effect unless a field names them."""


@dataclass(frozen=True)
class Inherited:
    """Parts of index templates that apply to an index when it is created.

    Attributes
    ----------
    templates
        Names of the matching templates: one composable template, or all legacy templates.
    settings
        Settings with full names, such as ``index.number_of_replicas``.
    shield_priority
        Priority with which a user's template would win over `templates`.
    """

    templates: tuple[str, ...] = ()
    legacy: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    mappings: Mapping[str, Any] = field(default_factory=dict)
    aliases: Mapping[str, Any] = field(default_factory=dict)
    data_stream: bool = False
    shield_priority: int = 1

    @property
    def title(self) -> str:
        """Name of the templates in a sentence."""
        kind = "legacy index template" if self.legacy else "index template"
        return f"{kind}{'s' if len(self.templates) > 1 else ''} {', '.join(self.templates)}"

    @property
    def remedy(self) -> str:
        """Request that keeps the templates away from all indices of airlsh."""
        shield = {"index_patterns": ["airlsh-*"], "priority": self.shield_priority, "template": {}}
        return (
            f"Change the template, or shield airlsh's indices from it: PUT _index_template/airlsh {json.dumps(shield)}"
        )


def shielded(body: Mapping[str, Any], inherited: Inherited) -> dict[str, Any]:
    """Return the `body` of a new index, with overrides of everything in `inherited`."""
    own = flat_settings(body.get("settings", {}))
    resets = {key: _default(key) for key in inherited.settings if not key.startswith(_NAMED_GROUPS)}
    resets |= {key: _DEFAULTS[key] for key in inherited.settings if key in _DEFAULTS}
    mappings = dict(body.get("mappings", {}))
    foreign = inherited.mappings
    for root in ("enabled", "subobjects"):
        if root in foreign:
            mappings.setdefault(root, True)
    if foreign.get("_source", {}).get("enabled") is False:
        mappings["_source"] = {"enabled": True}
    if inherited.legacy and "_routing" in foreign:
        mappings["_routing"] = {"required": False}
    settings = {**resets, **_ALWAYS, **own}
    if added := len(paths_with_implied_objects(foreign.get("properties", {}))):
        settings[_FIELD_LIMIT] = own.get(_FIELD_LIMIT, _USUAL_FIELD_LIMIT) + added
    return {**body, "settings": settings, "mappings": mappings}


def conflicts(body: Mapping[str, Any], inherited: Inherited) -> tuple[str, ...]:
    """Return the parts of `inherited` that would break the index, as clauses."""
    return tuple(_conflicts(body.get("mappings", {}), inherited))


def additions(body: Mapping[str, Any], inherited: Inherited) -> tuple[str, ...]:
    """Return paths of the fields that `inherited` adds to `body`.

    These fields stay empty and do no harm.
    """
    own = paths_with_implied_objects(body.get("mappings", {}).get("properties", {}))
    foreign = {
        **paths_with_implied_objects(inherited.mappings.get("properties", {})),
        **inherited.mappings.get("runtime", {}),
    }
    return tuple(path for path in foreign if path not in own)


def flat_settings(settings: Mapping[str, Any], prefix: str = "index.") -> dict[str, Any]:
    """Return `settings` with full names: ``{"priority": 1}`` becomes ``{"index.priority": 1}``."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        path = key if key.startswith(prefix) or key == prefix[:-1] else prefix + key
        if isinstance(value, Mapping):
            flat |= flat_settings(value, f"{path}.")
        else:
            flat[path] = value
    return flat


def paths_with_implied_objects(properties: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return all fields of a mapping by path, including implied objects.

    A field ``a.b`` implies the object ``a``.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for name, definition in properties.items():
        parts = name.split(".")
        for length in range(1, len(parts)):
            found.setdefault(".".join(parts[:length]), {"properties": {}})
        found[name] = definition
        found |= {
            f"{name}.{path}": inner
            for path, inner in paths_with_implied_objects(definition.get("properties", {})).items()
        }
    return found


def _default(key: str) -> Any:
    return _DEFAULTS.get(key)


def _conflicts(own: Mapping[str, Any], inherited: Inherited) -> Iterator[str]:
    foreign = inherited.mappings
    if inherited.data_stream:
        yield "allows data streams only (data_stream), so no index can be created"
    for alias in inherited.aliases:
        yield f"puts the index behind the alias {alias!r} (aliases), where others would find its documents"
    if not inherited.legacy and foreign.get("_routing", {}).get("required"):
        yield "requires a routing value for each document (_routing.required)"
    if cut := sorted(set(foreign.get("_source", {})) - {"enabled"}):
        yield f"keeps documents only in part (_source.{', _source.'.join(cut)})"
    yield from _field_conflicts(own.get("properties", {}), inherited)


def _field_conflicts(properties: Mapping[str, Any], inherited: Inherited) -> Iterator[str]:
    own, foreign = (
        paths_with_implied_objects(properties),
        paths_with_implied_objects(inherited.mappings.get("properties", {})),
    )
    for path, definition in foreign.items():
        if path in own and (reason := _collision(path, own[path], definition, properties, legacy=inherited.legacy)):
            yield f"maps the field {path!r} {reason}"
    for name in inherited.mappings.get("runtime", {}):
        if name in own:
            yield f"has a runtime field {name!r} (mappings.runtime), which would hide the values of that field"


def _collision(
    path: str, own: Mapping[str, Any], foreign: Mapping[str, Any], properties: Mapping[str, Any], *, legacy: bool
) -> str | None:
    """Return why the server would not map the field at `path` as in `own`, or None."""
    both_objects = "properties" in own and "properties" in foreign
    options = sorted(set(foreign) - set(own) - {"properties"})
    if legacy and own.get("type", "object") != foreign.get("type", "object"):
        return f"as {foreign.get('type', 'object')}, where airlsh maps {own.get('type', 'object')}"
    if legacy and options:
        return f"with {', '.join(options)}, which airlsh cannot take away"
    inside_dotted = any(name.startswith(f"{path}.") for name in properties)
    if inside_dotted and not both_objects:
        return f"as {foreign.get('type', 'object')}, where airlsh maps an object"
    return f"with {', '.join(options)}, which airlsh cannot take away" if inside_dotted and options else None
