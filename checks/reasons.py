"""Findings and reasons: each finding needs a reason, and each reason a finding."""

from collections.abc import Iterable
from textwrap import indent
from typing import NamedTuple

import yaml

EVERY = "*"
PERHAPS = "?"
FILE = "checks/reasons.yaml"


class Finding(NamedTuple):
    """A tool's finding on a resource (its logical id), with the rule and the tool's words."""

    tool: str
    rule: str
    resource: str
    words: str


class Reason(NamedTuple):
    """A reason's position in the file."""

    tool: str
    rule: str
    resource: str

    def covers(self, finding: Finding) -> bool:
        """Whether it is the finding's; a rule with a detail, `Rule[detail]`, goes by `Rule` alone as well."""
        return (
            self.tool == finding.tool
            and self.rule in {finding.rule, finding.rule.partition("[")[0]}
            and self.resource in {finding.resource, EVERY, PERHAPS}
        )


def read(text: str) -> list[Reason]:
    """The reasons of the file; raises ValueError where a text is empty."""
    reasons = []
    for tool, rules in yaml.safe_load(text).items():
        for rule, resources in rules.items():
            for resource, why in resources.items():
                if not isinstance(why, str) or not why.strip():
                    raise ValueError(f"{FILE} has no reason for {tool}: {rule}: {resource}.")
                reasons.append(Reason(tool, rule, resource))
    return reasons


def unexplained(findings: Iterable[Finding], reasons: Iterable[Reason]) -> list[Finding]:
    """The findings that have no reason."""
    written = list(reasons)
    return [finding for finding in findings if not any(reason.covers(finding) for reason in written)]


def unneeded(findings: Iterable[Finding], reasons: Iterable[Reason]) -> list[Reason]:
    """The reasons that no finding has, but for those that are not needed on every machine."""
    found = list(findings)
    return [reason for reason in reasons if reason.resource != PERHAPS and not any(map(reason.covers, found))]


def advice(findings: list[Finding], reasons: list[Reason]) -> str:
    """What to do about unexplained findings and unneeded reasons, to the letter; nothing where there are none."""
    lines = [f"{finding.resource}: {finding.tool} {finding.rule}: {finding.words}" for finding in findings]
    if findings:
        lines += [
            "",
            f"Change the template, or add the reason why it is correct to {FILE}:",
            "",
            _as_file(findings),
        ]
    if reasons:
        lines += ["", f"No finding matches these reasons. Remove them from {FILE}:", "", _as_file(reasons)]
    return "\n".join(lines)


def _as_file(keys: Iterable[Finding | Reason]) -> str:
    nested: dict[str, dict[str, dict[str, None]]] = {}
    for key in keys:
        nested.setdefault(key.tool, {}).setdefault(key.rule, {})[key.resource] = None
    return indent(yaml.safe_dump(nested, width=1000), "    ")
