"""CloudFormation's intrinsic functions decided and written out, so that what a template grants can be read as text."""

import json
import re
from collections.abc import Callable
from typing import Any

Template = dict[str, Any]
NO_VALUE = {"Ref": "AWS::NoValue"}
VARIABLE = re.compile(r"\$\{(!?)([^}]+)\}")


def readings(template: Template) -> list[Template]:
    """The template's parameters and resources with each Fn::If decided, in every way that differs.

    Decided for no condition, for all of them, and for each alone: so any two conditions meet in all four ways, and a
    branch within a branch is read too. A resource that hangs on a condition is always there.
    """
    conditions = set(template.get("Conditions", {}))
    cases = [set(), conditions, *({one} for one in conditions)]
    parts = {name: template[name] for name in ("Parameters", "Resources") if name in template}
    decided = [_without_conditions(_decided(parts, case)) for case in cases]
    return list({json.dumps(one, sort_keys=True): one for one in decided}.values())


def written_out(value: Any, name: Callable[[str], str]) -> Any:  # noqa: ANN401 - any JSON
    """The value with what it refers to in place, named by `name`, which takes `LogicalId` or `LogicalId.Attribute`."""
    if isinstance(value, list):
        return [written_out(one, name) for one in value]
    if not isinstance(value, dict):
        return value
    text = _reference(value, name)
    return {key: written_out(one, name) for key, one in value.items()} if text is None else text


def _reference(value: Template, name: Callable[[str], str]) -> str | None:
    """What the intrinsic function comes to, or None where there is none."""
    match value:
        case {"Ref": one}:
            return name(one)
        case {"Fn::GetAtt": [one, attribute]}:
            return name(f"{one}.{attribute}")
        case {"Fn::Sub": str(text)}:
            return _filled(text, name)
        case {"Fn::Sub": [text, own]}:
            known = written_out(own, name)
            return _filled(text, lambda key: known[key] if key in known else name(key))
        case {"Fn::Select": [int(place), {"Fn::Split": [separator, text]}]}:
            parts: list[str] = written_out(text, name).split(separator)
            return parts[place]
    if unknown := [key for key in value if key.startswith("Fn::")]:
        raise ValueError(f"{unknown[0]} stands in a policy; teach checks/intrinsics.py to write it out.")
    return None


def _filled(text: str, name: Callable[[str], str]) -> str:
    """The text with its ${variables} in place; ${!this} is meant for IAM, not for CloudFormation."""
    return VARIABLE.sub(lambda found: f"${{{found[2]}}}" if found[1] else name(found[2]), text)


def _decided(value: Any, holding: set[str]) -> Any:  # noqa: ANN401 - any JSON
    match value:
        case {"Fn::If": [condition, yes, no]}:
            return _decided(yes if condition in holding else no, holding)
        case dict():
            decided = {key: _decided(one, holding) for key, one in value.items()}
            return {key: one for key, one in decided.items() if one != NO_VALUE}
        case list():
            return [one for one in (_decided(item, holding) for item in value) if one != NO_VALUE]
    return value


def _without_conditions(template: Template) -> Template:
    for resource in template["Resources"].values():
        resource.pop("Condition", None)
    return template
