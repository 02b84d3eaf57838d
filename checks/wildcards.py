"""Our own rule: no wildcard in an action, a resource or the principal of an Allow without a written reason."""

from collections.abc import Iterator
from typing import Any

from checks.intrinsics import Template, readings, written_out
from checks.policies import listed, policies
from checks.reasons import Finding

TOOL = "wildcards"
WITHOUT_TLS = {"Bool": {"aws:SecureTransport": "false"}}


def findings(template: Template) -> Iterator[Finding]:
    """One for each resource of a statement that is wide; its rule says who may do what on what."""
    for reading in readings(template):
        for policy in policies(reading):
            for statement in policy.statements():
                for rule in _rules(written_out(statement, "<{}>".format)):
                    yield Finding(TOOL, rule, policy.resource, f"the statement {statement.get('Sid', 'without a Sid')}")


def _rules(statement: dict[str, Any]) -> set[str]:
    actions = _named(statement, "Action")
    # A trust policy names no resource: it is the role itself that is meant.
    resources = _named(statement, "Resource") or ["itself"]
    anyone = statement["Effect"] == "Allow" and _anyone(statement)
    everywhere = anyone or any(_is_wide(one) for one in actions)
    wide = [one for one in resources if everywhere or _is_wide(one)]
    if wide and statement["Effect"] == "Deny" and statement.get("Condition") == WITHOUT_TLS:
        return {"Deny what comes without TLS"}
    done = f"{statement['Effect']} {', '.join(sorted(actions))}{' to anyone' if anyone else ''}"
    return {f"{done} on {one}" for one in wide}


def _named(statement: dict[str, Any], element: str) -> list[str]:
    """The actions or resources; a NotAction or NotResource is as wide as can be."""
    excepted = [f"* but {one}" for one in listed(statement.get(f"Not{element}", []))]
    return [*listed(statement.get(element, [])), *excepted]


def _anyone(statement: dict[str, Any]) -> bool:
    principal = statement.get("Principal", {})
    named = principal.values() if isinstance(principal, dict) else [principal]
    return "NotPrincipal" in statement or any("*" in listed(one) for one in named)


def _is_wide(text: str) -> bool:
    return "*" in text or "?" in text
