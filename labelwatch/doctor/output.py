"""Findings for a terminal."""

import re
import textwrap
from collections import Counter
from collections.abc import Sequence

from labelwatch.shared.findings import Finding, Result, as_line
from labelwatch.shared.text import counted

_INDENT = " " * len("pass  ")
# Stands for a blank in a command, which stays on one line.
_FIXED_BLANK = "\xa0"


def as_text(findings: Sequence[Finding], width: int) -> str:
    """A line for each finding, wrapped to the width, and the number of each result."""
    counts = Counter(finding.result for finding in findings)
    total = f"{counted(len(findings), 'finding')}: {', '.join(f'{counts[result]} {result}' for result in Result)}."
    return "\n".join([*(_wrapped(as_line(finding), width) for finding in findings), "", total, ""])


def _wrapped(line: str, width: int) -> str:
    fixed = re.sub(r"`[^`]*`", lambda command: command[0].replace(" ", _FIXED_BLANK), line)
    lines = textwrap.wrap(fixed, width, subsequent_indent=_INDENT, break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines).replace(_FIXED_BLANK, " ")
