"""Where an interrupted backfill goes on: a small file, gone when all is sent."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path


class Bookmark:
    """The key up to which all is sent, kept for whatever makes a backfill the same one."""

    def __init__(self, folder: Path, same: Iterable[object]) -> None:
        name = hashlib.sha256(json.dumps([str(one) for one in same]).encode()).hexdigest()[:16]
        self.file = folder / f"{name}.json"

    def read(self) -> str:
        """The key; empty at the start."""
        try:
            key: str = json.loads(self.file.read_text())["sent_until"]
        except FileNotFoundError:
            return ""
        return key

    def write(self, key: str) -> None:
        """Keeps the key, whole or not at all."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        new = self.file.with_suffix(".new")
        new.write_text(json.dumps({"sent_until": key}))
        new.replace(self.file)

    def remove(self) -> None:
        """Forgets it."""
        self.file.unlink(missing_ok=True)
