"""Runs Lambda's runtime client where files can be written under TMPDIR only, as on Lambda under /tmp only.

By an audit hook and not by permissions, which do not bind root. It sees what Python code writes, and prints each
refusal to stderr. It does not see what compiled code writes: a test compares the folder of the zip before and after.
"""

import errno
import os
import runpy
import sys
import tempfile

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# How many of an event's first arguments are paths: https://docs.python.org/3/library/audit_events.html
_PATHS = {
    "os.mkdir": 1,
    "os.rmdir": 1,
    "os.remove": 1,
    "os.truncate": 1,
    "os.chmod": 1,
    "os.chown": 1,
    "os.utime": 1,
    "os.rename": 2,
    "os.link": 2,
    "os.symlink": 2,
}
_TMP = os.path.realpath(tempfile.gettempdir()) + os.sep


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    for path in _written_paths(event, arguments):
        # A number is a file that is open already.
        if not isinstance(path, str | bytes) or path == os.devnull:
            continue
        real_path = os.path.realpath(os.fsdecode(path))
        if not real_path.startswith(_TMP):
            os.write(2, f"refused: {event} {real_path}\n".encode())
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)


def _written_paths(event: str, arguments: tuple[object, ...]) -> tuple[object, ...]:
    if event != "open":
        return arguments[: _PATHS.get(event, 0)]
    path, _, flags = arguments
    return (path,) if isinstance(flags, int) and flags & _WRITING else ()


if __name__ == "__main__":
    sys.addaudithook(_refuse)
    runpy.run_module("awslambdaric", run_name="__main__", alter_sys=True)
