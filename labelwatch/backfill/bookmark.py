"""The progress of an interrupted backfill: a small file, which is deleted at the end."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path


class Bookmark:
    """The last key that was sent, with all keys before it; backfills with the same `identity` share a bookmark."""

    def __init__(self, folder: Path, identity: Iterable[object]) -> None:
        name = hashlib.sha256(json.dumps([str(part) for part in identity]).encode()).hexdigest()[:16]
        self.file = folder / f"{name}.json"

    def read(self) -> str:
        """The key; empty at the start."""
        try:
            key: str = json.loads(self.file.read_text())["sent_until"]
        except FileNotFoundError:
            return ""
        return key

    def write(self, key: str) -> None:
        """Writes the key, whole or not at all."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        new = self.file.with_suffix(".new")
        new.write_text(json.dumps({"sent_until": key}))
        new.replace(self.file)

    def remove(self) -> None:
        """Removes the file."""
        self.file.unlink(missing_ok=True)
