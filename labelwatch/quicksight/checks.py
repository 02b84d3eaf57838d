"""Finds unknown names in the definition, which botocore accepts and QuickSight rejects or draws wrongly."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from labelwatch.analytics import DEFINITION, Definition
from labelwatch.shared.errors import UserError

NUMBER = frozenset({"INTEGER", "DECIMAL"})
TEXT = frozenset({"STRING"})
TIME = frozenset({"DATETIME"})
# The allowed types of a column, by the element that uses it. Other elements (a table field, an axis) allow any type.
FITTING = {
    "CategoricalDimensionField": TEXT,
    "CategoricalMeasureField": TEXT,
    "CategoryFilter": TEXT,
    "DateDimensionField": TIME,
    "DateMeasureField": TIME,
    "RelativeDatesFilter": TIME,
    "TimeRangeFilter": TIME,
    "TimeEqualityFilter": TIME,
    "NumericalDimensionField": NUMBER,
    "NumericalMeasureField": NUMBER,
    "NumericRangeFilter": NUMBER,
    "NumericEqualityFilter": NUMBER,
}
IN_EXPRESSION = re.compile(r"\{([^}]+)\}")


class Node(NamedTuple):
    """An object in the definition: the keys above it, the outermost first, and its members."""

    path: tuple[str, ...]
    members: dict[str, Any]


def check(definition: Definition) -> None:
    """Raises UserError with all problems, each once."""
    sentences = list(dict.fromkeys(problems(definition)))
    if sentences:
        raise UserError(
            f"{DEFINITION.name} is not valid: {'; '.join(sentences)}. Correct the file, then run the command again."
        )


def problems(definition: Definition) -> Iterator[str]:
    """A phrase for each unknown, duplicate or unused name."""
    nodes = list(_nodes(definition["definition"]))
    yield from _column_problems(definition, nodes)
    yield from _undeclared_data_sets(nodes)
    yield from _duplicate_ids(nodes)
    yield from _unknown_ids(nodes)
    yield from _layout_problems(nodes)
    yield from _unknown_fields(nodes)


def _nodes(value: Any, path: tuple[str, ...] = ()) -> Iterator[Node]:  # noqa: ANN401 - JSON of any shape
    if isinstance(value, dict):
        yield Node(path, value)
        for key, inner in value.items():
            yield from _nodes(inner, (*path, key))
    elif isinstance(value, list):
        for inner in value:
            yield from _nodes(inner, path)


def _column_problems(definition: Definition, nodes: list[Node]) -> Iterator[str]:
    (table,) = definition["data_set"]["PhysicalTableMap"].values()
    types = {column["Name"]: column["Type"] for column in table["CustomSql"]["Columns"]}
    for node in nodes:
        name = node.members.get("ColumnName")
        if name and name not in types:
            yield f"no column {name} in the data set"
        elif name:
            user = node.path[-2]
            fitting = FITTING.get(user, {types[name]})
            if types[name] not in fitting:
                yield f"column {name} is {types[name]}, but {user} requires {' or '.join(sorted(fitting))}"
        for column in IN_EXPRESSION.findall(node.members.get("Expression", "")):
            if column not in types:
                yield f"no column {column} in the data set, but in an expression"


def _undeclared_data_sets(nodes: list[Node]) -> Iterator[str]:
    for name in sorted(set(_values(nodes, "DataSetIdentifier")) - set(_values(nodes, "Identifier"))):
        yield f"data set {name} is not declared"


def _duplicate_ids(nodes: list[Node]) -> Iterator[str]:
    ids_by_kind = {
        "sheet": _sheets(nodes),
        "visual": _values(nodes, "VisualId"),
        "filter group": _values(nodes, "FilterGroupId"),
        "filter": _values(nodes, "FilterId"),
        "control": _values(nodes, "FilterControlId"),
        "field": _fields(nodes),
    }
    for kind, ids in ids_by_kind.items():
        for name, times in Counter(ids).items():
            if times > 1:
                yield f"{kind} {name} appears {times} times"


def _unknown_ids(nodes: list[Node]) -> Iterator[str]:
    scopes = [node.members for node in nodes if node.path[-1:] == ("SheetVisualScopingConfigurations",)]
    used_and_declared = {
        "sheet": ({scope["SheetId"] for scope in scopes}, _sheets(nodes)),
        "visual": ({name for scope in scopes for name in scope.get("VisualIds", [])}, _values(nodes, "VisualId")),
        "filter": (set(_values(nodes, "SourceFilterId")), _values(nodes, "FilterId")),
    }
    for kind, (used, declared) in used_and_declared.items():
        for name in sorted(used - set(declared)):
            yield f"no {kind} {name}"


def _layout_problems(nodes: list[Node]) -> Iterator[str]:
    declared = {
        "VISUAL": set(_values(nodes, "VisualId")),
        "FILTER_CONTROL": set(_values(nodes, "FilterControlId")),
    }
    elements = [
        (node.members["ElementType"], node.members["ElementId"]) for node in nodes if "ElementId" in node.members
    ]
    for kind, name in elements:
        if name not in declared.get(kind, ()):
            yield f"no {kind} {name}, but in the layout"
    for kind, names in declared.items():
        for name in sorted(names):
            if (times := elements.count((kind, name))) != 1:
                yield f"{kind} {name} appears {times} times in the layout"


def _unknown_fields(nodes: list[Node]) -> Iterator[str]:
    """Sortings, axes, options and colours must use fields of their own visual."""
    for visual in (node.members for node in nodes if "VisualId" in node.members):
        inside = list(_nodes(visual))
        for name in sorted(set(_values(inside, "FieldId")) - set(_fields(inside))):
            yield f"no field {name} in visual {visual['VisualId']}"


def _fields(nodes: list[Node]) -> list[str]:
    return _values((node for node in nodes if "FieldWells" in node.path), "FieldId")


def _sheets(nodes: list[Node]) -> list[str]:
    return _values((node for node in nodes if node.path == ("Sheets",)), "SheetId")


def _values(nodes: Iterable[Node], key: str) -> list[str]:
    return [node.members[key] for node in nodes if key in node.members]
