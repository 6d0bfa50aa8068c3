"""The directive ``settings-tables``: a table for each settings model, made from its fields."""

from __future__ import annotations

import inspect
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from docutils import nodes
from docutils.parsers.rst import Directive
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from lsh_core import settings

TYPES = {str: "text", int: "whole number", float: "number", bool: "yes or no"}
HEADER = ("Setting", "Option", "Type", "Default", "Meaning")


class SettingsTables(Directive):
    """One section and one table for each settings model."""

    def run(self) -> list[nodes.Node]:
        """Return the sections, in the order in which the models are defined."""
        return [_section(model) for model in vars(settings).values() if _is_of_a_verb(model)]


def _is_of_a_verb(model: Any) -> bool:
    return isinstance(model, type) and issubclass(model, settings.Settings) and bool(model.model_fields)


def _section(model: type[settings.Settings]) -> nodes.section:
    section = nodes.section(ids=[model.__name__.lower()], names=[model.__name__.lower()])
    section += nodes.title(text=model.__name__)
    section += nodes.paragraph(
        text=(model.__doc__ or "").strip().split("\n\n")[0].replace("\n    ", " ").replace("`", "")
    )
    section += _table(HEADER, [_row(name, field) for name, field in model.form_fields().model_fields.items()])
    return section


def _summary(model: type[BaseModel]) -> str:
    """Return the first paragraph of the docstring, without marks of code."""
    return inspect.cleandoc(model.__doc__ or "").split("\n\n")[0].replace("\n", " ").replace("`", "")


def _row(name: str, field: FieldInfo) -> list[nodes.Node]:
    default = "required" if field.is_required() else _shown(field.get_default(call_default_factory=True))
    return [
        nodes.literal(text=name),
        nodes.literal(text=name.upper() if name == "name" else "--" + name.replace("_", "-")),
        nodes.Text(_type_of(field)),
        nodes.literal(text=default) if default else nodes.Text(""),
        nodes.Text(settings.meaning_of(field)),
    ]


def _shown(value: Any) -> str:
    if value is None or value == ():
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _type_of(field: FieldInfo) -> str:
    """Return the type of a field in words, with its bounds."""
    for rule in field.metadata:
        if isinstance(rule, settings.Registered):
            return ", ".join(rule.names())
    text = " or ".join(_type_name(each) for each in _alternatives(field.annotation) if each is not type(None))
    bounds = [
        f"{word} {getattr(rule, attribute)}"
        for rule in field.metadata
        for attribute, word in (("ge", "from"), ("gt", "above"), ("le", "to"), ("lt", "below"))
        if getattr(rule, attribute, None) is not None
    ]
    return " ".join([text, *bounds])


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


def _type_name(annotation: Any) -> str:
    """Return a type in words; a choice as its values."""
    if get_origin(annotation) is Annotated:
        return _type_name(get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        return ", ".join(str(value) for value in get_args(annotation))
    if get_origin(annotation) in (tuple, list):
        return f"list of {_type_name(get_args(annotation)[0])}"
    return TYPES.get(annotation) or str(getattr(annotation, "__name__", annotation))


def _table(header: tuple[str, ...], rows: list[list[nodes.Node]]) -> nodes.table:
    group = nodes.tgroup(cols=len(header))
    group += [nodes.colspec(colwidth=1) for _ in header]
    head, body = nodes.thead(), nodes.tbody()
    head += _line([nodes.Text(each) for each in header])
    for row in rows:
        body += _line(row)
    group += [head, body]
    table = nodes.table()
    table += group
    return table


def _line(cells: list[nodes.Node]) -> nodes.row:
    line = nodes.row()
    for cell in cells:
        entry = nodes.entry()
        entry += nodes.paragraph("", "", cell)
        line += entry
    return line


def setup(app: Any) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("settings-tables", SettingsTables)
    return {"parallel_read_safe": True}
