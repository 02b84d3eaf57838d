"""A stack's predictions in QuickSight, from nothing to a dashboard that is shared, and back."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from chalicelib.adapters.s3 import console_address
from labelwatch.analytics import tables
from labelwatch.analytics.queries import TABLE
from labelwatch.quicksight import checks, document
from labelwatch.quicksight.document import Place
from labelwatch.quicksight.identities import Identities, Principal
from labelwatch.quicksight.kinds import ANALYSIS, DASHBOARD, DATA_SET, DATA_SOURCE, Home, Kind
from labelwatch.quicksight.objects import Objects
from labelwatch.shared import stacks
from labelwatch.shared.account import Account

type Tell = Callable[[str], None]


class Wish(NamedTuple):
    """What `up` is asked for; `identity_region` is where the account signed up, if it has to be said.

    `spice` is None where it stays as it is, and asks Athena at each look at first.
    """

    stack: str
    principals: list[str]
    spice: bool | None = None
    identity_region: str | None = None
    definition: Path = document.FILE


def up(account: Account, wish: Wish, tell: Tell, poll_seconds: float = 2) -> None:
    """Makes, or brings up to date, what a stack has in QuickSight, and shares it.

    Raises UserError before anything is made where the definition, the stack, the account's subscription or a principal
    is not as it must be, and with QuickSight's words where it refuses something.
    """
    definition = document.read(wish.definition)
    # Here and not only in the tests: whoever changes the file for labels of their own learns at once what QuickSight
    # would say after minutes, or not at all.
    checks.check(definition)
    outputs = stacks.outputs(account.client("cloudformation"), wish.stack, "QuickSightRoleArn")
    identities = Identities(account, wish.identity_region)
    identities.check_subscription()
    principals = list(dict.fromkeys(identities.find(one) for one in wish.principals))
    # QuickSight asks Athena for the columns when it makes the data set.
    tables.from_stack(account, wish.stack).make(TABLE)
    objects, home = _objects(account, wish.stack, poll_seconds)
    place = Place(
        home=home,
        workgroup=outputs["WorkgroupName"],
        role_arn=outputs["QuickSightRoleArn"],
        database=outputs["DatabaseName"],
        console=console_address(home.partition, home.region),
    )
    schedule = definition["refresh_schedule"]
    spice = objects.is_in_spice() if wish.spice is None else wish.spice
    if not spice:
        # Only a data set in SPICE can have one, so it goes first.
        _tell_of_schedule(objects.refresh(schedule, wanted=False), tell)
    for kind, body in document.bodies(definition, place, spice=spice).items():
        tell(f"{kind.name} {body['Name']}: {objects.put(kind, body)}")
        _share(objects, kind, principals, tell)
        if kind == DATA_SET and spice:
            _tell_of_schedule(objects.refresh(schedule, wanted=True), tell)
    tell(_address(home))


def down(account: Account, stack_name: str, tell: Tell) -> None:
    """Deletes what `up` made; the stack itself need not be there any more."""
    objects, _ = _objects(account, stack_name)
    schedule = objects.refresh(document.read()["refresh_schedule"], wanted=False)
    for kind in (DASHBOARD, ANALYSIS, DATA_SET, DATA_SOURCE):
        tell(f"{kind.name} {stack_name}: {'deleted' if objects.remove(kind) else 'was not there'}")
    tell(f"daily refresh: {schedule or 'was not there'}")


def _share(objects: Objects, kind: Kind, principals: list[Principal], tell: Tell) -> None:
    for one in objects.share(kind, principals):
        tell(f"  shared with {one.arn}, who can {'change' if one.authors else 'look at'} it")


def _tell_of_schedule(done: str | None, tell: Tell) -> None:
    if done:
        tell(f"daily refresh: {done}")


def _objects(account: Account, stack_name: str, poll_seconds: float = 2) -> tuple[Objects, Home]:
    client = account.client("quicksight")
    home = Home(client.meta.partition, account.region, account.id, stack_name)
    return Objects(client, home, poll_seconds), home


def _address(home: Home) -> str:
    """Where the dashboard is; AWS lists the addresses of QuickSight's pages for its first partition only."""
    # https://docs.aws.amazon.com/quick/latest/userguide/regions.html
    if home.partition != "aws":
        return f"The dashboard is {home.stack}, under Dashboards in QuickSight's console."
    return f"The dashboard: https://{home.region}.quicksight.aws.amazon.com/sn/dashboards/{home.stack}"
