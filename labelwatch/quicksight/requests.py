"""The request bodies of the assets: the definition with a stack's values."""

from string import Template
from typing import Any, NamedTuple

from labelwatch.analytics import FOLDER, Definition
from labelwatch.quicksight.asset_types import ANALYSIS, DASHBOARD, DATA_SET, DATA_SOURCE, AssetType, Location

QUERY = FOLDER / "predictions_for_quicksight.sql"
DATABASE_IN_QUERY = "DATABASE."
CONSOLE_IN_QUERY = "https://CONSOLE"

type Body = dict[str, Any]


class StackValues(NamedTuple):
    """A stack's values for the placeholders; `console` is the address of the AWS console."""

    location: Location
    workgroup: str
    role_arn: str
    database: str
    console: str


def query(values: StackValues) -> str:
    """The data set's SQL, with the stack's database and console."""
    # Without the comment: QuickSight embeds the query in another query.
    text = "\n".join(line for line in QUERY.read_text().splitlines() if not line.startswith("--"))
    return text.replace(DATABASE_IN_QUERY, f"{values.database}.").replace(CONSOLE_IN_QUERY, values.console)


def bodies(definition: Definition, values: StackValues, *, spice: bool) -> dict[AssetType, Body]:
    """The body for each type, without ids, tags and permissions, in the order of their dependencies."""
    filled: Body = _fill(
        definition,
        {
            "STACK": values.location.stack,
            "WORKGROUP": values.workgroup,
            "ROLE_ARN": values.role_arn,
            "SQL": query(values),
            "DATA_SOURCE_ARN": values.location.arn(DATA_SOURCE),
            "DATA_SET_ARN": values.location.arn(DATA_SET),
        },
    )
    visuals = {"Definition": filled["definition"]}
    return {
        DATA_SOURCE: filled["data_source"],
        DATA_SET: filled["data_set"] | {"ImportMode": "SPICE" if spice else "DIRECT_QUERY"},
        ANALYSIS: filled["analysis"] | visuals,
        DASHBOARD: filled["dashboard"] | visuals,
    }


def _fill(value: Any, names: dict[str, str]) -> Any:  # noqa: ANN401 - JSON of any shape
    """The value with names for its ${PLACEHOLDERS}."""
    if isinstance(value, dict):
        return {key: _fill(inner, names) for key, inner in value.items()}
    if isinstance(value, list):
        return [_fill(inner, names) for inner in value]
    return Template(value).substitute(names) if isinstance(value, str) else value
