"""Checks a search request against the answering build. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from lsh_core.choices import choice_of
from lsh_core.errors import SettingsError
from lsh_core.search.filters.fields import check_filter_fields, type_of
from lsh_core.search.request import SearchRequest
from lsh_core.search.searchable_build import SearchableBuild


def check_for(build: SearchableBuild, request: SearchRequest) -> None:
    """Check the fields and the filter of a request against the build's mapping.

    Raises
    ------
    SettingsError
        The build lacks a field to return, or the words name a field that is not full text.
    FilterError
        The build lacks a field of the filter, or the field does not support the filter.
    """
    check_fields(build, request.fields)
    if request.filter is not None:
        check_filter_fields(request.filter, build.mapping, build.index)
    if request.match is not None:
        match_fields_of(build, request)


def check_fields(build: SearchableBuild, fields: Sequence[str] | None) -> None:
    """Refuse unknown fields to return. A name may be a pattern, or an object with all its fields."""
    if not fields:
        return
    multi = {f"{path}.{name}" for path, field in build.mapping.items() for name in field.get("fields", ())}
    paths = [path for path in build.mapping if path not in multi]
    for name in fields:
        if any(fnmatchcase(path, name) for path in paths):
            continue
        raise SettingsError("fields", name, f"is not a field of {build.index}: {choice_of(name, paths)}")


def match_fields_of(build: SearchableBuild, request: SearchRequest) -> tuple[str, ...]:
    """Return the full-text fields for the words: the request's, or all.

    Raises
    ------
    SettingsError
        A field is not full text, or the build has no full-text field.
    """
    if not build.text_fields:
        reason = f"index {build.index} has no full text: build it with --text-field COLUMN"
        if request.match_fields:
            raise SettingsError("match_fields", ", ".join(request.match_fields), reason)
        raise SettingsError("match", request.match, reason)
    for field in request.match_fields:
        if field not in build.text_fields:
            known = f"of type {type_of(build.mapping[field])}" if field in build.mapping else "no field"
            reason = f"is not full text in {build.index}, but {known}; {choice_of(field, build.text_fields)}"
            raise SettingsError("match_fields", field, reason)
    return tuple(request.match_fields) or build.text_fields
