"""The command that tests alerts."""

import sys
from enum import StrEnum
from typing import Annotated

import typer

from labelwatch.commands.options import Profile, Region, Stack, console, stderr
from labelwatch.commands.subscribers import stack_options
from labelwatch.shared.errors import UserError

app = typer.Typer(help="Test alerts.", no_args_is_help=True)


class Form(StrEnum):
    """The form of the output."""

    TABLE = "table"
    JSON = "json"


@app.command("test")
def send_test_alert(  # noqa: PLR0913 - a command's options, by name
    *,
    source: Annotated[str, typer.Option(help="Source of the test alert (example: field-3).")] = "test",
    label: Annotated[
        str | None, typer.Option(help="Label of the test alert. Default: the first label of LabelsofInterest.")
    ] = None,
    confidence: Annotated[float, typer.Option(help="Confidence of the label, 0 to 100.")] = 100,
    wait_seconds: Annotated[int, typer.Option(help="Seconds to wait until SNS accepts the alert.")] = 60,
    form: Annotated[Form, typer.Option("--format", help="Output format.")] = Form.TABLE,
    stack: Stack = "labelwatch",
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Send a marked test alert to the subscribers, and list its deliveries.

    The alert runs through the predictions queue, notify and SNS, and has a link to a test page. It stores no rows, and
    no audit or metric of alerts counts it. Its subject begins with "Test alert:". Use --source, --label and
    --confidence to try the filters of subscriptions.

    Example: `labelwatch alert test --source field-3 --confidence 85`
    """
    from labelwatch import subscriptions
    from labelwatch.shared.account import Account
    from labelwatch.subscriptions import deliveries, testing
    from labelwatch.subscriptions.filters import Filter

    account = Account(profile, region)
    tests = testing.from_stack(account, stack)
    prediction = tests.prediction(source, label, confidence)
    subscribers = subscriptions.from_stack(account, stack)
    for warning in subscriptions.filter_warnings(Filter((prediction.labels[0].name,)), subscribers.labels_of_interest):
        _note(warning)
    with stderr().status("Reading subscriptions…") as status:
        listed = subscribers.subscriptions(subscribers.alerts)
        status.update("Waiting until SNS accepts the test alert…")
        accepted = tests.send(prediction, wait_seconds)
    options = stack_options(stack, profile, region)
    if not accepted:
        late = f"SNS has not accepted the test alert after {wait_seconds} seconds. The alert may still arrive."
        raise UserError(f"{late} {tests.checks(stack, options)}")
    alert = testing.alert_of(prediction)
    _note(f"SNS accepted the alert. Its subject: {alert.subject}")
    sent = deliveries.deliveries_of(alert, listed)
    if form == Form.JSON:
        sys.stdout.write(deliveries.as_json(alert, sent))
    elif sent:
        deliveries.print_deliveries(console(), sent)
    for paragraph in (
        deliveries.limits(subscribers.alerts),
        *subscriptions.remaining_actions([subscribers.alerts], listed, options),
    ):
        _note(f"\n{paragraph}")


def _note(text: str) -> None:
    stderr().print(text, soft_wrap=True)
