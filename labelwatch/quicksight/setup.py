"""Creates, shares and deletes the QuickSight assets of a stack."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from chalicelib.adapters.s3 import console_address
from labelwatch.analytics import DEFINITION, TABLE, Tables, load_definition
from labelwatch.quicksight import checks, requests
from labelwatch.quicksight.asset_types import ANALYSIS, DASHBOARD, DATA_SET, DATA_SOURCE, AssetType, Location
from labelwatch.quicksight.assets import Assets
from labelwatch.quicksight.errors import check_endpoint
from labelwatch.quicksight.identities import Identities, Principal
from labelwatch.quicksight.requests import StackValues
from labelwatch.shared import stacks
from labelwatch.shared.account import Account

type PrintLine = Callable[[str], None]


class Options(NamedTuple):
    """The options of `up`; `identity_region` is the Region where the account signed up, if it differs.

    With `spice` None, the import mode stays unchanged; a new data set queries Athena directly.
    """

    stack: str
    principals: list[str]
    spice: bool | None = None
    identity_region: str | None = None
    definition: Path = DEFINITION


def up(account: Account, options: Options, print_line: PrintLine, poll_seconds: float = 2) -> None:
    """Creates or updates a stack's assets in QuickSight, and shares them.

    Raises UserError before anything is created where the definition, the stack, the account's subscription or a
    principal is not valid, and with QuickSight's reason where it rejects a request.
    """
    check_endpoint()
    definition = load_definition(options.definition)
    # At each run: QuickSight would report a mistake in an edited file after minutes, or never.
    checks.check(definition)
    outputs = stacks.outputs(account.client("cloudformation"), options.stack, "QuickSightRoleArn")
    identities = Identities(account, options.identity_region)
    identities.check_subscription()
    principals = list(dict.fromkeys(identities.find(principal) for principal in options.principals))
    # QuickSight reads the columns from Athena when it creates the data set.
    Tables.from_stack(account, options.stack).create(TABLE)
    assets, location = _assets(account, options.stack, poll_seconds)
    values = StackValues(
        location=location,
        workgroup=outputs["WorkgroupName"],
        role_arn=outputs["QuickSightRoleArn"],
        database=outputs["DatabaseName"],
        console=console_address(location.partition, location.region),
    )
    schedule = definition["refresh_schedule"]
    spice = assets.is_in_spice() if options.spice is None else options.spice
    # Only a data set in SPICE can have a schedule, so the schedule is deleted first.
    if not spice and assets.delete_schedule(schedule):
        print_line("daily refresh: deleted")
    for asset_type, body in requests.bodies(definition, values, spice=spice).items():
        print_line(f"{asset_type.name} {body['Name']}: {assets.put(asset_type, body)}")
        _share(assets, asset_type, principals, print_line)
        if asset_type == DATA_SET and spice:
            print_line(f"daily refresh: {assets.put_schedule(schedule)}")
    print_line(_dashboard_address(location))


def down(account: Account, stack_name: str, print_line: PrintLine) -> None:
    """Deletes what `up` created; the stack itself may be deleted already."""
    check_endpoint()
    assets, _ = _assets(account, stack_name)
    schedule_deleted = assets.delete_schedule(load_definition()["refresh_schedule"])
    for asset_type in (DASHBOARD, ANALYSIS, DATA_SET, DATA_SOURCE):
        print_line(f"{asset_type.name} {stack_name}: {_deleted(existed=assets.delete(asset_type))}")
    print_line(f"daily refresh: {_deleted(existed=schedule_deleted)}")


def _deleted(*, existed: bool) -> str:
    return "deleted" if existed else "not found"


def _share(assets: Assets, asset_type: AssetType, principals: list[Principal], print_line: PrintLine) -> None:
    for principal in assets.share(asset_type, principals):
        print_line(f"  shared with {principal.arn} ({'edit' if principal.authors else 'view'})")


def _assets(account: Account, stack_name: str, poll_seconds: float = 2) -> tuple[Assets, Location]:
    client = account.client("quicksight")
    location = Location(client.meta.partition, account.region, account.id, stack_name)
    return Assets(client, location, poll_seconds), location


def _dashboard_address(location: Location) -> str:
    """The address of the dashboard; AWS lists the addresses of QuickSight's pages for one partition only."""
    # https://docs.aws.amazon.com/quick/latest/userguide/regions.html
    if location.partition != "aws":
        return f"Dashboard: {location.stack}, under Dashboards in QuickSight's console."
    return f"Dashboard: https://{location.region}.quicksight.aws.amazon.com/sn/dashboards/{location.stack}"
