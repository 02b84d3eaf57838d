"""Every policy document of a template."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from checks.intrinsics import Template

TRUST = "trust policy"
ROLE = "role policy"
RESOURCE = "resource policy"


class Policy(NamedTuple):
    """A policy document, where it stands, and its kind."""

    resource: str
    kind: str
    document: dict[str, Any]

    def statements(self) -> list[dict[str, Any]]:
        """The statements; one that stands alone needs no list in IAM."""
        return listed(self.document["Statement"])


def policies(template: Template) -> Iterator[Policy]:
    """All that has statements, wherever it stands in a resource's properties."""
    for name, resource in template["Resources"].items():
        kind = ROLE if resource["Type"].startswith("AWS::IAM::") else RESOURCE
        yield from _within(resource.get("Properties"), name, kind)


def listed(value: Any) -> list[Any]:  # noqa: ANN401 - IAM takes one or a list of them nearly everywhere
    """One as a list of one."""
    return value if isinstance(value, list) else [value]


def _within(value: Any, name: str, kind: str) -> Iterator[Policy]:  # noqa: ANN401 - any JSON
    match value:
        case {"Statement": _}:
            yield Policy(name, kind, value)
        case dict():
            for key, one in value.items():
                yield from _within(one, name, TRUST if key == "AssumeRolePolicyDocument" else kind)
        case list():
            for one in value:
                yield from _within(one, name, kind)
