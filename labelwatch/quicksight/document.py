"""The one definition file, and what becomes of its placeholders for a stack."""

import json
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

from labelwatch.analytics.queries import FOLDER
from labelwatch.quicksight.kinds import ANALYSIS, DASHBOARD, DATA_SET, DATA_SOURCE, Home, Kind

FILE = FOLDER / "quicksight.json"
QUERY = FOLDER / "predictions_for_quicksight.sql"
DATABASE_IN_QUERY = "DATABASE."
CONSOLE_IN_QUERY = "https://CONSOLE"

type Body = dict[str, Any]


class Place(NamedTuple):
    """What the placeholders stand for."""

    home: Home
    workgroup: str
    role_arn: str
    database: str
    console: str


def read(file: Path = FILE) -> Body:
    """A definition file as it is."""
    document: Body = json.loads(file.read_text())
    return document


def query(place: Place) -> str:
    """The data set's SQL, with the names of this place in it."""
    # Without the comment: QuickSight puts the query into another one.
    text = "\n".join(line for line in QUERY.read_text().splitlines() if not line.startswith("--"))
    return text.replace(DATABASE_IN_QUERY, f"{place.database}.").replace(CONSOLE_IN_QUERY, place.console)


def bodies(document: Body, place: Place, *, spice: bool) -> dict[Kind, Body]:
    """What is sent for each kind, but for ids, tags and permissions; in the order in which one needs the other."""
    filled: Body = _filled(
        document,
        {
            "STACK": place.home.stack,
            "WORKGROUP": place.workgroup,
            "ROLE_ARN": place.role_arn,
            "SQL": query(place),
            "DATA_SOURCE_ARN": place.home.arn(DATA_SOURCE),
            "DATA_SET_ARN": place.home.arn(DATA_SET),
        },
    )
    definition = {"Definition": filled["definition"]}
    return {
        DATA_SOURCE: filled["data_source"],
        DATA_SET: filled["data_set"] | {"ImportMode": "SPICE" if spice else "DIRECT_QUERY"},
        ANALYSIS: filled["analysis"] | definition,
        DASHBOARD: filled["dashboard"] | definition,
    }


def _filled(value: Any, names: dict[str, str]) -> Any:  # noqa: ANN401 - JSON of any shape
    """The value with names for its ${PLACEHOLDERS}."""
    if isinstance(value, dict):
        return {key: _filled(inner, names) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, names) for inner in value]
    return Template(value).substitute(names) if isinstance(value, str) else value
