"""The command line in the process of the tests, without the second that a process of its own takes to start."""

import io
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from subprocess import CompletedProcess
from unittest import mock

from labelwatch.__main__ import main
from labelwatch.local.session import Session
from tests.support.pipeline import user_environment

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


def invoke(environment: Mapping[str, str], *words: str) -> CompletedProcess[str]:
    """Runs a command without a terminal; it may fail. Not for one that fails to write: `main` ends standard output."""
    out, errors = io.StringIO(), io.StringIO()
    handlers = {name: signal.getsignal(name) for name in _SIGNALS}
    mask = os.umask(0o022)
    with (
        mock.patch.dict(os.environ, environment, clear=True),
        mock.patch.object(sys, "argv", ["labelwatch", *words]),
        mock.patch.object(sys, "stdin", io.StringIO()),
        redirect_stdout(out),
        redirect_stderr(errors),
    ):
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        finally:
            for name, handler in handlers.items():
                signal.signal(name, handler)
            os.umask(mask)
    return CompletedProcess(words, code, out.getvalue(), errors.getvalue())


def invoke_labelwatch(session: Session, *words: str) -> CompletedProcess[str]:
    """As a user of the local AWS, whose terminal has 80 columns."""
    return invoke(user_environment(session), *words)
