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
    branch within a branch is read too. A resource with a condition is always there.
    """
    conditions = set(template.get("Conditions", {}))
    cases = [set(), conditions, *({condition} for condition in conditions)]
    parts = {name: template[name] for name in ("Parameters", "Resources") if name in template}
    decided = [_without_conditions(_decided(parts, case)) for case in cases]
    return list({json.dumps(reading, sort_keys=True): reading for reading in decided}.values())


def written_out(value: Any, name: Callable[[str], str]) -> Any:  # noqa: ANN401 - any JSON
    """The value with each reference replaced by its `name`, which takes `LogicalId` or `LogicalId.Attribute`."""
    if isinstance(value, list):
        return [written_out(item, name) for item in value]
    if not isinstance(value, dict):
        return value
    text = _reference(value, name)
    return {key: written_out(item, name) for key, item in value.items()} if text is None else text


def _reference(value: Template, name: Callable[[str], str]) -> str | None:
    """The text of the intrinsic function, or None where there is none."""
    match value:
        case {"Ref": logical_id}:
            return name(logical_id)
        case {"Fn::GetAtt": [logical_id, attribute]}:
            return name(f"{logical_id}.{attribute}")
        case {"Fn::Sub": str(text)}:
            return _filled(text, name)
        case {"Fn::Sub": [text, own]}:
            known = written_out(own, name)
            return _filled(text, lambda key: known[key] if key in known else name(key))
        case {"Fn::Select": [int(index), {"Fn::Split": [separator, text]}]}:
            parts: list[str] = written_out(text, name).split(separator)
            return parts[index]
    if unknown := [key for key in value if key.startswith("Fn::")]:
        raise ValueError(f"{unknown[0]} in a policy is not supported. Add it to checks/intrinsics.py.")
    return None


def _filled(text: str, name: Callable[[str], str]) -> str:
    """The text with its ${variables} replaced; ${!this} is one of IAM, not of CloudFormation."""
    return VARIABLE.sub(lambda found: f"${{{found[2]}}}" if found[1] else name(found[2]), text)


def _decided(value: Any, conditions: set[str]) -> Any:  # noqa: ANN401 - any JSON
    match value:
        case {"Fn::If": [condition, yes, no]}:
            return _decided(yes if condition in conditions else no, conditions)
        case dict():
            decided = {key: _decided(item, conditions) for key, item in value.items()}
            return {key: item for key, item in decided.items() if item != NO_VALUE}
        case list():
            return [item for item in (_decided(item, conditions) for item in value) if item != NO_VALUE]
    return value


def _without_conditions(template: Template) -> Template:
    for resource in template["Resources"].values():
        resource.pop("Condition", None)
    return template
