"""`labelwatch --help` is quick: a command imports its libraries when it runs."""

import subprocess
import sys

from labelwatch.shared.project import PROJECT

LARGE_LIBRARIES = {"boto3", "chalice", "jinja2", "PIL", "sqlglot", "vl_convert"}


def test_no_command_imports_a_large_library_before_it_runs() -> None:
    code = "import sys, labelwatch.__main__; print(*sys.modules)"
    process = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    imported = set(process.stdout.split())
    assert "labelwatch.commands.report" in imported
    assert not imported & LARGE_LIBRARIES
