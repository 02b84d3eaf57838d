"""Our own rule: no wildcard in an action, a resource or the principal of an Allow without a written reason."""

from collections.abc import Iterator
from typing import Any

from checks.intrinsics import Template, readings, written_out
from checks.policies import listed, policies
from checks.reasons import Finding

TOOL = "wildcards"
WITHOUT_TLS = {"Bool": {"aws:SecureTransport": "false"}}


def findings(template: Template) -> Iterator[Finding]:
    """A finding for each resource of a statement with a wildcard; its rule says who may do what on which resource."""
    for reading in readings(template):
        for policy in policies(reading):
            for statement in policy.statements():
                for rule in _rules(written_out(statement, "<{}>".format)):
                    yield Finding(TOOL, rule, policy.resource, f"the statement {statement.get('Sid', 'without a Sid')}")


def _rules(statement: dict[str, Any]) -> set[str]:
    effect, actions = statement["Effect"], _named(statement, "Action")
    anyone = effect == "Allow" and _anyone(statement)
    # A trust policy names no resource: that is the role itself.
    resources = _named(statement, "Resource") or ["itself"]
    if not anyone and not any(map(_is_wide, actions)):
        resources = list(filter(_is_wide, resources))
    if resources and effect == "Deny" and statement.get("Condition") == WITHOUT_TLS:
        return {"Deny what comes without TLS"}
    to_anyone = " to anyone" if anyone else ""
    return {f"{effect} {', '.join(sorted(actions))}{to_anyone} on {resource}" for resource in resources}


def _named(statement: dict[str, Any], element: str) -> list[str]:
    """The actions or resources; a NotAction or NotResource is as wide as can be."""
    excepted = [f"* but {name}" for name in listed(statement.get(f"Not{element}", []))]
    return [*listed(statement.get(element, [])), *excepted]


def _anyone(statement: dict[str, Any]) -> bool:
    principal = statement.get("Principal", {})
    named = principal.values() if isinstance(principal, dict) else [principal]
    return "NotPrincipal" in statement or any("*" in listed(names) for names in named)


def _is_wide(text: str) -> bool:
    return "*" in text or "?" in text
