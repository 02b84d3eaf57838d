"""Every policy document of a template."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from checks.intrinsics import Template


class Policy(NamedTuple):
    """A policy document, and the resource that it is in."""

    resource: str
    document: dict[str, Any]

    def statements(self) -> list[dict[str, Any]]:
        """The statements; a single statement needs no list in IAM."""
        return listed(self.document["Statement"])


def policies(template: Template) -> Iterator[Policy]:
    """All that has statements, anywhere in a resource's properties."""
    for name, resource in template["Resources"].items():
        yield from _within(resource.get("Properties"), name)


def listed(value: Any) -> list[Any]:  # noqa: ANN401 - IAM takes a value or a list of them nearly everywhere
    """A single value as a list."""
    return value if isinstance(value, list) else [value]


def _within(value: Any, name: str) -> Iterator[Policy]:  # noqa: ANN401 - any JSON
    match value:
        case {"Statement": _}:
            yield Policy(name, value)
        case dict():
            for item in value.values():
                yield from _within(item, name)
        case list():
            for item in value:
                yield from _within(item, name)
