"""The templates of texts and pages, in Jinja: https://jinja.palletsprojects.com/templates/."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Template

FOLDER = Path(__file__).parents[1] / "templates"


@cache
def load_template(name: str) -> "Template":
    """The template of this name in chalicelib/templates; in HTML, every value is escaped."""
    from jinja2 import (  # noqa: PLC0415 - only an alert or a picture page needs it, and a cold start costs time
        Environment,
        FileSystemLoader,
        StrictUndefined,
        select_autoescape,
    )

    return Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template(name)
