"""The definition of the dashboard, which QuickSight is sent and the report draws."""

import json
from pathlib import Path
from typing import Any

from labelwatch.analytics.queries import FOLDER

DEFINITION = FOLDER / "quicksight.json"

type Definition = dict[str, Any]


def load_definition(file: Path = DEFINITION) -> Definition:
    """The definition as its file has it, with placeholders."""
    definition: Definition = json.loads(file.read_text())
    return definition
