"""Installs locked requirements with their hashes into the environment of this Python, and shows how far it is.

pip alone is silent for minutes or prints hundreds of lines, and blames a package where the network fails.

Usage: python scripts/install.py requirements-dev.txt
"""
# ruff: noqa: INP001, T201 - a script is no package, and it prints for the terminal

import re
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Iterable
from pathlib import Path

# In a log, where a line cannot be rewritten.
PACKAGES_PER_LINE = 20
PIP = [sys.executable, "-u", "-m", "pip", "install", "--disable-pip-version-check", "--no-color", "--progress-bar=off"]
NETWORK_ERROR = re.compile(
    r"connection broken|connection ?error|timed out|timeouterror|name resolution|unreachable|proxyerror|sslerror",
    re.IGNORECASE,
)


class Counter:
    """A line with the number of packages so far, rewritten in a terminal; a few lines in a log."""

    def __init__(self, action: str) -> None:
        self.done = 0
        self._action = action
        self._rewrites = sys.stdout.isatty()

    def show(self, done: int, total: int) -> None:
        """Shows a number that has changed."""
        is_line = done // PACKAGES_PER_LINE > self.done // PACKAGES_PER_LINE or done == total
        if done != self.done and (self._rewrites or is_line):
            print(f"  {self._action} packages: {done} of {total}", end="\r" if self._rewrites else "\n", flush=True)
        self.done = done

    def end(self) -> None:
        """Leaves the line in a terminal."""
        if self._rewrites:
            print()


def main(requirements: Path) -> int:
    """Runs pip; returns its exit code."""
    total = sum(line[:1].isalnum() for line in requirements.read_text().splitlines())
    output: list[str] = []
    # Without dependencies: the lock is complete, so nothing is left to resolve.
    command = [*PIP, "--require-hashes", "--no-deps", "-r", str(requirements)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:  # noqa: S603 - the command is ours
        total = download(pip.stdout or (), total, output)
        # Read meanwhile: pip would wait for ever where nobody reads what it prints.
        rest = threading.Thread(target=output.extend, args=[pip.stdout or ()])
        rest.start()
        install(pip, total)
        rest.join()
    if pip.returncode:
        print(failure(output), file=sys.stderr)
    return pip.returncode


def download(lines: Iterable[str], total: int, output: list[str]) -> int:
    """Follows pip until it installs; returns the number of packages."""
    counter = Counter("Downloading")
    for line in lines:
        output.append(line)
        total -= line.startswith("Ignoring ")  # a package for another operating system
        if line.startswith(("Collecting ", "Processing ")):
            counter.show(counter.done + 1, total)
        if line.startswith("Installing collected packages"):
            break
    counter.end()
    return total


def install(pip: subprocess.Popen[str], total: int) -> None:
    """Follows pip to its end: it prints nothing meanwhile, so the packages in their folder are counted."""
    folder = Path(sysconfig.get_path("purelib"))
    counter, before = Counter("Installing"), len(list(folder.glob("*.dist-info")))
    while pip.poll() is None:
        counter.show(len(list(folder.glob("*.dist-info"))) - before, total)
        time.sleep(0.5)
    counter.end()


def failure(output: Iterable[str]) -> str:
    """Why pip failed, and what to do."""
    lines = [line.strip() for line in output]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    # Warnings count only where pip found no versions: after a retry that succeeded, something else failed.
    causes = lines if not errors or "(from versions: none)" in errors[0] else errors
    if any(NETWORK_ERROR.search(line) for line in causes):
        return (
            "The package index could not be reached. Check the network and the proxy (HTTPS_PROXY, PIP_INDEX_URL), "
            "then run the command again."
        )
    return f"pip failed: {(errors or lines or ['no output'])[0]}"


if __name__ == "__main__":
    try:
        raise SystemExit(main(Path(sys.argv[1])))
    except KeyboardInterrupt:
        print("\nStopped. Run the command again to start over.", file=sys.stderr)
        raise SystemExit(130) from None
