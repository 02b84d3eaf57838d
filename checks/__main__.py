"""Runs every check on the templates that checks.transform has written, and compares the findings with the reasons."""

import json
import sys
from pathlib import Path

from checks import nag, wildcards
from checks.reasons import FILE, advice, read, unexplained, unneeded

CHECKS = (nag.findings, wildcards.findings)


def main(*files: str) -> int:
    """Prints findings without a reason and reasons without a finding; 1 where there is any."""
    templates = [json.loads(Path(file).read_text()) for file in files]
    found = sorted({finding for template in templates for check in CHECKS for finding in check(template)})
    reasons = read(Path(FILE).read_text())
    missing, stale = unexplained(found, reasons), unneeded(found, reasons)
    result = advice(missing, stale) or f"All {len(found)} findings on the template have a reason in {FILE}."
    sys.stdout.write(f"{result}\n")
    return bool(missing or stale)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
