"""The template, read as it is: its resources, statements and strings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Template = dict[str, Any]
PROSE = {"Description", "AlarmDescription", "ConstraintDescription"}


def resources(template: Template, kind: str) -> dict[str, Template]:
    return {
        name: resource["Properties"] for name, resource in template["Resources"].items() if resource["Type"] == kind
    }


def functions(template: Template) -> dict[str, Template]:
    return resources(template, "AWS::Serverless::Function")


def function_roles(template: Template) -> dict[str, Template]:
    """The roles of the functions; QuickSight has one of its own."""
    names = {function["Role"]["Fn::GetAtt"][0] for function in functions(template).values()} | {"IngestRole"}
    return {name: role for name, role in resources(template, "AWS::IAM::Role").items() if name in names}


def mappings(template: Template) -> list[tuple[Template, Template, Template]]:
    """Each event source mapping, with its function and its queue."""
    queues = resources(template, "AWS::SQS::Queue")
    return [
        (event["Properties"], function, queues[event["Properties"]["Queue"]["Fn::GetAtt"][0]])
        for function in functions(template).values()
        for event in function.get("Events", {}).values()
        if event["Type"] == "SQS"
    ]


def statements(template: Template) -> Iterator[tuple[str, Template]]:
    """Each statement of the roles, with its role; one that depends on a condition as if that held."""
    for name, role in resources(template, "AWS::IAM::Role").items():
        for policy in role["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                yield name, statement["Fn::If"][1] if "Fn::If" in statement else statement


def guards(template: Template, kind: str, field: str) -> dict[str, list[Template]]:
    """The statements of the resource policies of this kind, by the resource that they are attached to."""
    return {
        target["Ref"]: properties["PolicyDocument"]["Statement"]
        for properties in resources(template, kind).values()
        for target in listed(properties[field])
    }


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def leaves(value: Any) -> Iterator[str]:
    """Every name and string in the template, save what is written for people only."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from leaves(inner) if key not in PROSE else ()
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner)
    elif isinstance(value, str):
        yield value
