"""What was found against what was written down: a finding wants a reason, and a reason wants a finding."""

from collections.abc import Iterable
from textwrap import indent
from typing import NamedTuple

import yaml

EVERY = "*"
PERHAPS = "?"
FILE = "checks/reasons.yaml"


class Finding(NamedTuple):
    """What a tool says of a resource (its logical id), by which rule, and in which words."""

    tool: str
    rule: str
    resource: str
    words: str


class Reason(NamedTuple):
    """Where a reason stands in the file."""

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
    """The reasons of the file; raises ValueError where one says nothing."""
    reasons = []
    for tool, rules in yaml.safe_load(text).items():
        for rule, resources in rules.items():
            for resource, why in resources.items():
                if not isinstance(why, str) or not why.strip():
                    raise ValueError(f"{FILE} gives no reason for {tool}: {rule}: {resource}.")
                reasons.append(Reason(tool, rule, resource))
    return reasons


def unexplained(findings: Iterable[Finding], reasons: Iterable[Reason]) -> list[Finding]:
    """The findings that have no reason."""
    written = list(reasons)
    return [one for one in findings if not any(reason.covers(one) for reason in written)]


def unneeded(findings: Iterable[Finding], reasons: Iterable[Reason]) -> list[Reason]:
    """The reasons that no finding has, but for those that are said to come and go."""
    found = list(findings)
    return [one for one in reasons if one.resource != PERHAPS and not any(map(one.covers, found))]


def advice(findings: list[Finding], reasons: list[Reason]) -> str:
    """What to do about unexplained findings and unneeded reasons, to the letter; nothing where there are none."""
    said = [f"{one.resource}: {one.tool} {one.rule}: {one.words}" for one in findings]
    if findings:
        said += ["", f"Change the template; or, where it is right as it is, say why in {FILE}:", "", _as_file(findings)]
    if reasons:
        said += ["", f"Nothing is found any more that needs these; take them out of {FILE}:", "", _as_file(reasons)]
    return "\n".join(said)


def _as_file(keys: Iterable[Finding | Reason]) -> str:
    nested: dict[str, dict[str, dict[str, None]]] = {}
    for one in keys:
        nested.setdefault(one.tool, {}).setdefault(one.rule, {})[one.resource] = None
    return indent(yaml.safe_dump(nested, width=1000), "    ")
