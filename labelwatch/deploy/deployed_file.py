"""Chalice's file of a stage, .chalice/deployed/STAGE.json, compared with the resources that exist, and rebuilt.

Chalice writes the file only when a deployment or deletion has succeeded. After a deployment that stopped before, or
without the file, `chalice deploy` creates each event source mapping again, which AWS refuses, or a second REST API.
`chalice delete` skips what the file lacks, and fails on what no longer exists.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec
from msgspec import Struct

from labelwatch.deploy.deployed_resources import NAMES, Entry, find
from labelwatch.shared.console import Terminal
from labelwatch.shared.errors import UserError

if TYPE_CHECKING:
    from labelwatch.shared.account import Clients

# The field of each type of resource that names it in AWS, and its noun.
IDENTITIES = {
    "lambda_function": ("lambda_arn", "function"),
    "sqs_event": ("event_uuid", "event source mapping"),
    "cloudwatch_event": ("rule_name", "schedule"),
    "s3_event": ("bucket", "event notification of bucket"),
    "rest_api": ("rest_api_id", "REST API"),
}
# Only these can exist more than once.
DELETE_COMMANDS = {
    "sqs_event": "aws lambda delete-event-source-mapping --uuid",
    "rest_api": "aws apigateway delete-rest-api --rest-api-id",
}


class _Resource(Struct):
    name: str
    resource_type: str


class _File(Struct):
    """The parts of the file that are read here."""

    resources: list[_Resource]
    schema_version: Literal["2.0"]


class Comparison(NamedTuple):
    """The file's entries against the resources that exist.

    `unrecorded` resources are not in the file, `missing` entries name nothing that exists, and `surplus` resources have
    the name of another, which Chalice keeps instead. `rebuilt` is the file as it should be.
    """

    unrecorded: list[Entry]
    missing: list[Entry]
    surplus: list[Entry]
    rebuilt: list[Entry]

    @property
    def matches(self) -> bool:
        """Whether `chalice deploy` and `chalice delete` find all that exists, and nothing else."""
        return not self.unrecorded and not self.missing

    @property
    def existing(self) -> list[str]:
        """The resources in the account, in words."""
        return [_described(entry) for entry in [*self.rebuilt, *self.surplus] if entry["name"] in NAMES]

    @property
    def deletions(self) -> Iterator[str]:
        """Each surplus resource with the command that deletes it."""
        for entry in self.surplus:
            command = f"{DELETE_COMMANDS[entry['resource_type']]} {_id(entry)}"
            yield f"{_described(entry)}: surplus. If no client uses it, run `{command}`."

    def lines(self) -> Iterator[str]:
        """The differences, one resource a line."""
        yield from (f"not in the file: {_described(entry)}" for entry in self.unrecorded)
        yield from (f"not in the account: {_described(entry)}" for entry in self.missing)


def path_of(config: Path, stage_name: str) -> Path:
    """The file's path, beside Chalice's configuration."""
    return config.parent / "deployed" / f"{stage_name}.json"


def read(file: Path) -> list[Entry]:
    """The file's entries, none without the file; raises UserError where Chalice could not read it."""
    if not file.exists():
        return []
    try:
        content: dict[str, Any] = json.loads(file.read_text())
        msgspec.convert(content, _File)
    except (ValueError, msgspec.ValidationError) as mistake:
        raise UserError(
            f"{file} is not Chalice's file: {mistake}. Delete the file, then run the command again."
        ) from None
    entries: list[Entry] = content["resources"]
    return entries


def compare(recorded: list[Entry], found: list[Entry]) -> Comparison:
    """`found` are the resources that exist, the resource to keep first where several have one name.

    Entries of own additions to app.py stay as they are.
    """
    kept = list({entry["name"]: entry for entry in reversed(found)}.values())[::-1]
    managed = [entry for entry in recorded if entry["name"] in NAMES]
    additions = [entry for entry in recorded if entry["name"] not in NAMES]
    present = {_identity(entry): entry for entry in managed}
    return Comparison(
        unrecorded=_without(kept, recorded),
        missing=_without(managed, found),
        surplus=_without(found, kept),
        rebuilt=additions + [present.get(_identity(entry), entry) for entry in kept],
    )


def read_and_compare(account: Clients, stack: str, values: Mapping[str, str], file: Path) -> Comparison:
    """The file against the account. Raises UserError as `read` does, ClientError or a Fault as `find` does."""
    recorded = read(file)
    return compare(recorded, find(account, stack, values, recorded))


def _without(entries: list[Entry], others: list[Entry]) -> list[Entry]:
    identities = {_identity(entry) for entry in others}
    return [entry for entry in entries if _identity(entry) not in identities]


def offer_to_rebuild(file: Path, comparison: Comparison, terminal: Terminal) -> None:
    """Shows the differences, and writes the file where the person agrees."""
    for line in comparison.deletions:
        terminal.print(line)
    if comparison.matches:
        return
    terminal.print(f"\n.chalice/deployed/{file.name} does not match the account:")
    for line in comparison.lines():
        terminal.print(f"  {line}")
    terminal.console.print(
        "Until then `chalice deploy` fails or creates duplicates, and `chalice delete` fails or leaves resources. "
        "Rebuilding the file changes nothing in the account: the API keeps its address. After that, deploy again, or "
        f"delete the resources with `chalice delete --stage {file.stem}`."
    )
    accepted = terminal.accepts(f"Rebuild .chalice/deployed/{file.name}?")
    if accepted:
        _write(file, comparison.rebuilt)
    terminal.print(f".chalice/deployed/{file.name}: {'updated' if accepted else 'unchanged'}.")


def _write(file: Path, entries: list[Entry]) -> None:
    file.parent.mkdir(exist_ok=True)
    new = file.with_suffix(".new")
    new.write_text(json.dumps({"resources": entries, "schema_version": "2.0", "backend": "api"}, indent=2) + "\n")
    new.replace(file)


def _identity(entry: Entry) -> tuple[str, str]:
    return entry["name"], _id(entry)


def _id(entry: Entry) -> str:
    """The resource's id or name in AWS; empty in an entry that is incomplete, or of another type."""
    field, _ = IDENTITIES.get(entry["resource_type"], ("", ""))
    return str(entry.get(field, ""))


def _described(entry: Entry) -> str:
    return f"{IDENTITIES[entry['resource_type']][1]} {_id(entry).split(':')[-1]}"
