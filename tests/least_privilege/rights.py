"""The rights of the roles: each action of each statement, and on each resource where a statement has several."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.support.template import Template, listed, statements

NOTHING = {"Ref": "AWS::NoValue"}


@dataclass(frozen=True)
class Right:
    """One action; `index` is that of its resource in the statement, where there are several."""

    role: str
    sid: str
    action: str
    index: int | None
    resource: Any = field(compare=False)

    def __str__(self) -> str:
        """ROLE/SID/ACTION[/INDEX], as `--without` takes it."""
        index = [] if self.index is None else [str(self.index)]
        return "/".join([self.role, self.sid, self.action, *index])


def rights(template: Template) -> Iterator[Right]:
    """All of them, in the order of the template."""
    for role, statement in statements(template):
        resources = listed(statement["Resource"])
        for action in actions(statement):
            for index, resource in enumerate(resources):
                yield Right(role, statement["Sid"], action, index if len(resources) > 1 else None, resource)


def actions(statement: Template) -> list[str]:
    """What a statement allows; of a choice between two, both."""
    action = statement["Action"]
    return action["Fn::If"][1:] if isinstance(action, dict) else listed(action)


def without(template: Template, name: str) -> Template:
    """The template with all rights but the one of this name; raises LookupError where there is none."""
    right = next((right for right in rights(template) if str(right) == name), None)
    if right is None:
        raise LookupError(f"no right named {name}")
    changed = copy.deepcopy(template)
    for policy in changed["Resources"][right.role]["Properties"]["Policies"]:
        document = policy["PolicyDocument"]
        document["Statement"] = [left for statement in document["Statement"] for left in _left_of(statement, right)]
    return changed


def _left_of(statement: Template, right: Right) -> Iterator[Template]:
    if "Fn::If" in statement:
        condition, inner, otherwise = statement["Fn::If"]
        yield from ({"Fn::If": [condition, left, otherwise]} for left in _left_of(inner, right))
    elif statement["Sid"] != right.sid:
        yield statement
    else:
        others = [action for action in actions(statement) if action != right.action]
        if others:
            yield statement | {"Action": others}
        if right.index is not None:
            yield from _on_other_resources(statement, right)


def _on_other_resources(statement: Template, right: Right) -> Iterator[Template]:
    """The same action on the other resources; each of them gets a statement of its own."""
    for index, resource in enumerate(statement["Resource"]):
        if index == right.index:
            continue
        own = statement | {"Sid": f"{right.sid}{index}", "Action": right.action, "Resource": resource}
        if isinstance(resource, dict) and resource.get("Fn::If", [])[2:] == [NOTHING]:
            condition, only_then, _ = resource["Fn::If"]
            own = {"Fn::If": [condition, own | {"Resource": only_then}, NOTHING]}
        yield own
