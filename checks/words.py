"""Refuses the old words of this project in code and output, each with its new word; a part of `make lint`.

Names are read from the syntax tree, and in part: `dead_letter_of` has the words dead, letter and of. Phrases are looked
for in every line. It runs in .venv:
    .venv/bin/python -m checks.words
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

# Words that name nothing, or that only this project would use so; as a whole name.
NAMES = {
    "one": "the noun itself",
    "ones": "the noun itself",
    "here": "the noun itself",
    "them": "the noun itself",
    "these": "the noun itself",
    "those": "the noun itself",
    "doing": "the noun itself",
    "there": "existing, found, or the noun itself",
    "few": "chunk",
    "some": "the noun itself",
    "letter": "character, or dead_letter",
    "letters": "characters, or dead_letters",
    "said": "the noun itself: attributes, message, ...",
    "wanted": "requested, or the noun itself",
    "asked": "request, or the noun itself",
    "who": "the noun itself",
    "what": "the noun itself",
    "which": "the noun itself",
    "whom": "the noun itself",
    "how": "the noun itself",
    "due": "expected",
    "news": "event",
    "entry_point": "grant",
}
# Words that stand in no name, however it is put together.
PARTS = {
    "aside": "dead letter, moved to the dead-letter queue",
    "told": "notified, completed, or reported",
    "fate": "disposition (of a failure), outcome (of an image)",
    "fates": "dispositions, outcomes",
    "standing": "record state",
    "claim": "acquire, or credential (of a token)",
    "claims": "idempotency records",
    "claimed": "acquired",
    "sight": "finding",
    "sights": "findings",
    "intake": "event source",
    "keeping": "manage model",
    "wishes": "model policy",
    "wish": "request",
    "watching": "check subscriptions",
    "outbox": "message sender",
    "held": "received",
    "holding": "reader",
    "operator": "terminal",
    "quiet": "suppressed",
    "again": "force, repeated",
    "gone": "deleted, missing",
    "twice": "duplicate",
    "menagerie": "sample images",
    "mischief": "disruptions",
    "doubts": "uncertain outcomes",
    "doubt": "uncertain",
    "evils": "disruptions",
    "ticket": "presigned upload",
    "tickets": "presigned uploads",
    "standin": "local model",
    "cloud": "local AWS",
    "adopt": "existing bucket",
    "adopts": "existing bucket",
    "adopted": "existing bucket",
    "place": "index, position, location, target",
    "places": "indexes, positions, locations",
    "door": "grant, policy",
    "stranger": "unknown",
    "strangers": "unknown",
    "memories": "model states",
    "looks": "checks",
    "looked": "checked, analysed",
    "meddle": "intercept",
    "trick": "disruption",
}
PHRASES = {
    r"\bof_stack\b": "from_stack",
    r"\blet_in\b|\bshut_out\b": "grant, revoke",
    r"\bkeep_model\b|\bKeepModel\b": "manage_model, ManageModel",
    r"\bput(ting)? away\b|PutAway": "deferred",
    r"\bset(ting)? aside\b|SetAside": "moved to the dead-letter queue",
    r"\bembedded cloud\b": "local AWS",
    r"\bstand-in\b|\bStandIn\b": "local model",
    r"\bone-template\b": "CloudFormation deployment",
    r"\badopt(s|ed)?[ -]bucket\b|Adopt(s|ed)Bucket|ADOPTED_BUCKET": "existing bucket, ExistingBucketName",
    r"\b[Tt]ickets?\b|TICKET": "presigned upload",
    r"ImageGone": "ImageNotFound",
    r"LooksFailed": "ModelCheckErrors",
    r"SubscriptionsSilent": "SubscriptionsInactive",
}
SUFFIXES = {".py", ".yaml", ".json", ".sql", ".html"}
CHECKED_PATHS = (
    "app.py",
    ".chalice",
    "athena",
    "bench",
    "chalicelib",
    "checks",
    "infra",
    "labelwatch",
    "tests",
    "Makefile",
)
# Each is one word, whatever it is put together from.
AWS_NAMES = ("CloudFormation", "CloudWatch", "QuickSight")
# This list itself.
LEFT_OUT = {Path("checks/words.py")}
# Folders that tools write.
GENERATED = {"__pycache__", "deployments", "node_modules"}


def parts(name: str) -> list[str]:
    """The words of a name: `ModelLooksAlarm` has model, looks and alarm."""
    for whole in AWS_NAMES:
        name = name.replace(whole, whole.capitalize())
    return [part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


def refusal(name: str) -> str | None:
    """The word to use instead of this name, or of a part of it; None where it may stand."""
    plain = name.strip("_")
    if plain in NAMES:
        return NAMES[plain]
    return next((f"{part}: {PARTS[part]}" for part in parts(plain) if part in PARTS), None)


def names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Each name that the code gives to something, with its line."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.lineno, node.name
            case ast.arg():
                yield node.lineno, node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.lineno, node.id
            case ast.Attribute(ctx=ast.Store()):
                yield node.lineno, node.attr
            case ast.alias(asname=str(asname)):
                yield node.lineno, asname
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield node.lineno, name


def problems(file: Path) -> Iterator[str]:
    """What is wrong with a file, a line each."""
    text = file.read_text()
    if file.suffix == ".py":
        yield from (f"{file}: the file's name: {word}" for word in [refusal(file.stem)] if word)
        for number, name in names(ast.parse(text)):
            if word := refusal(name):
                yield f"{file}:{number}: {name}: {word}"
    for number, line in enumerate(text.splitlines(), 1):
        for phrase, word in PHRASES.items():
            if match := re.search(phrase, line):
                yield f"{file}:{number}: {match[0]}: {word}"


def sources() -> Iterator[Path]:
    """The project's files in the checked paths, but what tools leave there."""
    for path in map(Path, CHECKED_PATHS):
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            is_checked = file.suffix in SUFFIXES or file.name == "Makefile"
            if is_checked and file not in LEFT_OUT and not GENERATED.intersection(file.parts):
                yield file


def main(*folders: str) -> int:
    """Prints each old word; 1 where there is any. With folders, only what is in them."""
    files = [file for file in sources() if not folders or str(file).startswith(folders)]
    found = [problem for file in files for problem in problems(file)]
    sys.stdout.write("\n".join(found or [f"Words: {len(files)} files checked, no old word."]) + "\n")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
