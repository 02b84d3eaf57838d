"""What botocore lets through and QuickSight refuses, or draws wrongly: names in the definition that fit nothing."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from labelwatch.quicksight.document import FILE, Body
from labelwatch.shared.errors import UserError

NUMBER = frozenset({"INTEGER", "DECIMAL"})
TEXT = frozenset({"STRING"})
TIME = frozenset({"DATETIME"})
# What a column must be for what uses it. Where nothing stands here (a table's field, an axis, a sorting) any will do.
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
    """An object in the definition: what it stands under, from the outermost, and what it has."""

    above: tuple[str, ...]
    has: dict[str, Any]


def check(document: Body) -> None:
    """Raises UserError with all that is wrong, each once."""
    found = list(dict.fromkeys(problems(document)))
    if found:
        raise UserError(f"{FILE.name} does not fit together: {'; '.join(found)}.")


def problems(document: Body) -> Iterator[str]:
    """One sentence for each name that fits nothing."""
    nodes = list(_nodes(document["definition"]))
    yield from _columns(document, nodes)
    yield from _data_sets(nodes)
    yield from _twice(nodes)
    yield from _nowhere(nodes)
    yield from _layout(nodes)
    yield from _fields(nodes)


def _nodes(value: Any, above: tuple[str, ...] = ()) -> Iterator[Node]:  # noqa: ANN401 - JSON of any shape
    if isinstance(value, dict):
        yield Node(above, value)
        for key, inner in value.items():
            yield from _nodes(inner, (*above, key))
    elif isinstance(value, list):
        for inner in value:
            yield from _nodes(inner, above)


def _columns(document: Body, nodes: list[Node]) -> Iterator[str]:
    (table,) = document["data_set"]["PhysicalTableMap"].values()
    types = {one["Name"]: one["Type"] for one in table["CustomSql"]["Columns"]}
    for node in nodes:
        name = node.has.get("ColumnName")
        if name and name not in types:
            yield f"the data set has no column {name}"
        elif name:
            user = node.above[-2]
            fitting = FITTING.get(user, {types[name]})
            if types[name] not in fitting:
                yield f"the column {name} is {types[name]}, and a {user} wants {' or '.join(sorted(fitting))}"
        for named in IN_EXPRESSION.findall(node.has.get("Expression", "")):
            if named not in types:
                yield f"an expression names {named}, and the data set has no such column"


def _data_sets(nodes: list[Node]) -> Iterator[str]:
    declared = {one.has["Identifier"] for one in nodes if "Identifier" in one.has}
    used = {one.has["DataSetIdentifier"] for one in nodes if "DataSetIdentifier" in one.has}
    for name in sorted(used - declared):
        yield f"the data set {name} is not declared"


def _twice(nodes: list[Node]) -> Iterator[str]:
    kinds = {
        "sheet": _sheets(nodes),
        "visual": _visuals(nodes),
        "filter group": _values(nodes, "FilterGroupId"),
        "filter": _values(nodes, "FilterId"),
        "control": _values(nodes, "FilterControlId"),
        "field": (one.has["FieldId"] for one in nodes if _is_field(one)),
    }
    for kind, ids in kinds.items():
        for name, times in Counter(ids).items():
            if times > 1:
                yield f"the {kind} {name} is there {times} times"


def _nowhere(nodes: list[Node]) -> Iterator[str]:
    scoped = [one.has for one in nodes if one.above[-1:] == ("SheetVisualScopingConfigurations",)]
    named = {
        "sheet": ({one["SheetId"] for one in scoped}, _sheets(nodes)),
        "visual": ({name for one in scoped for name in one.get("VisualIds", [])}, _visuals(nodes)),
        "filter": (set(_values(nodes, "SourceFilterId")), _values(nodes, "FilterId")),
    }
    for kind, (names, there) in named.items():
        for name in sorted(names - set(there)):
            yield f"there is no {kind} {name}"


def _layout(nodes: list[Node]) -> Iterator[str]:
    there = {
        "VISUAL": set(_visuals(nodes)),
        "FILTER_CONTROL": set(_values(nodes, "FilterControlId")),
    }
    placed = [(one.has["ElementType"], one.has["ElementId"]) for one in nodes if "ElementId" in one.has]
    for kind, name in placed:
        if name not in there.get(kind, ()):
            yield f"the layout has a {kind} {name}, which there is not"
    for kind, names in there.items():
        for name in sorted(names):
            if (times := placed.count((kind, name))) != 1:
                yield f"the layout has the {kind} {name} {times} times"


def _fields(nodes: list[Node]) -> Iterator[str]:
    """Sortings, axes, options and colours name the fields of their own visual."""
    for visual in (one.has for one in nodes if "VisualId" in one.has):
        inside = list(_nodes(visual))
        fields = {one.has["FieldId"] for one in inside if _is_field(one)}
        for name in sorted({one.has["FieldId"] for one in inside if "FieldId" in one.has} - fields):
            yield f"the visual {visual['VisualId']} has no field {name}"


def _is_field(node: Node) -> bool:
    return "FieldId" in node.has and "FieldWells" in node.above


def _sheets(nodes: list[Node]) -> list[str]:
    return [one.has["SheetId"] for one in nodes if one.above == ("Sheets",)]


def _visuals(nodes: list[Node]) -> list[str]:
    return _values(nodes, "VisualId")


def _values(nodes: Iterable[Node], key: str) -> list[str]:
    return [one.has[key] for one in nodes if key in one.has]
