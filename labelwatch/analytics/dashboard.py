"""The definition of the dashboard, for QuickSight and for the report."""

import json
from pathlib import Path
from typing import Any

from labelwatch.analytics.queries import FOLDER

DEFINITION = FOLDER / "quicksight.json"

type Definition = dict[str, Any]


def load_definition(file: Path = DEFINITION) -> Definition:
    """The definition in the file, with placeholders."""
    definition: Definition = json.loads(file.read_text())
    return definition
