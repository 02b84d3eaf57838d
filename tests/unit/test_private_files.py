"""The files that commands write: pictures, links and credentials are for the user alone."""

import os
import subprocess
import sys
from pathlib import Path

from labelwatch.shared.project import PROJECT

WRITES = """
import sys
from pathlib import Path
from labelwatch.__main__ import main
try:
    main()
except SystemExit:
    Path(sys.argv[2], "file").touch()
    Path(sys.argv[2], "folder").mkdir()
"""


def test_what_a_command_writes_is_readable_for_the_user_alone(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITES, "--version", str(tmp_path)]
    subprocess.run(command, cwd=PROJECT, env=os.environ, umask=0o022, check=True, capture_output=True)
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in tmp_path.iterdir()}
    assert modes == {"file": "0o600", "folder": "0o700"}
