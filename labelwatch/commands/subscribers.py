"""The commands for the subscribers of alerts and alarms."""

import os
import shlex
from typing import Annotated

import typer

from labelwatch.commands.options import Profile, Region, Stack, console, stderr

app = typer.Typer(help="Manage subscribers of alerts and alarms.", no_args_is_help=True)

Alerts = Annotated[bool, typer.Option("--alerts", help="Unsubscribe from alerts only.")]
Operations = Annotated[bool, typer.Option("--operations", help="Unsubscribe from alarms (operations topic) only.")]


def subscribe(  # noqa: PLR0913 - a command's options, by name
    endpoint: Annotated[
        str,
        typer.Argument(
            help="E-mail address, phone number (example: +4917012345678), https:// URL, or ARN of a queue or function."
        ),
    ],
    *,
    label: Annotated[
        list[str] | None, typer.Option(help="Send only alerts with this label. Repeat the option for several labels.")
    ] = None,
    confidence: Annotated[
        float | None, typer.Option(help="Send only alerts whose highest confidence is at least this percentage.")
    ] = None,
    source: Annotated[
        list[str] | None, typer.Option(help="Send only alerts of this source (example: field-3). Repeat for several.")
    ] = None,
    operations: Annotated[bool, typer.Option("--operations", help="Subscribe to alarms (operations topic).")] = False,
    stack: Stack = "labelwatch",
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Subscribe an endpoint to alerts, or to alarms with --operations.

    Run the command again to change or delete the filter of a subscription. For a queue or function in the account and
    Region of the stack, the command also grants access in the resource policy.
    """
    from labelwatch import subscriptions
    from labelwatch.shared.account import Account
    from labelwatch.shared.errors import UserError

    requested = subscriptions.parse_filter(label or [], confidence, source or [])
    subscriber = subscriptions.parse_endpoint(endpoint)
    if operations and requested.policy:
        raise UserError("--label, --confidence and --source filter alerts, not alarms. Omit them with --operations.")
    account = Account(profile, region)
    subscribers = subscriptions.from_stack(account, stack)
    topic = subscribers.operations if operations else subscribers.alerts
    granted = subscriptions.grant(account, subscriber, topic.arn)
    result = subscribers.subscribe(topic, subscriber, requested.policy)
    with stderr().status("Reading subscriptions…"):
        listed = subscribers.subscriptions(topic)
    options = stack_options(stack, profile, region)
    _print(*granted, subscriptions.subscribe_message(topic, subscriber, result, options))
    _print(*subscriptions.filter_warnings(requested, subscribers.labels_of_interest))
    if subscriber.protocol == "sms":
        _print(subscriptions.sms_note(topic, subscriber))
    # Without topics: AWS may list a new subscription a moment later.
    _print_paragraphs("", subscriptions.as_text(listed), *subscriptions.remaining_actions([], listed, options))


@app.command("list")
def list_(stack: Stack = "labelwatch", profile: Profile = None, region: Region = None) -> None:
    """List subscribers, their filters and whether they are confirmed."""
    from labelwatch import subscriptions
    from labelwatch.shared.account import Account

    subscribers = subscriptions.from_stack(Account(profile, region), stack)
    topics = subscribers.alerts, subscribers.operations
    with stderr().status("Reading subscriptions…"):
        listed = subscribers.subscriptions(*topics)
    actions = subscriptions.remaining_actions(topics, listed, stack_options(stack, profile, region))
    _print_paragraphs(*filter(None, [subscriptions.as_text(listed)]), *actions)


@app.command()
def confirm(
    link: Annotated[
        str, typer.Argument(help="The `Confirm subscription` link from the e-mail, SubscribeURL, or the token alone.")
    ],
    stack: Stack = "labelwatch",
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Confirm a subscription so that unsubscribing requires AWS credentials.

    Do not open the link in a browser: then anyone with the unsubscribe link of a message can unsubscribe, and mail
    scanners open such links.
    """
    from labelwatch import subscriptions
    from labelwatch.shared.account import Account

    confirmed = subscriptions.from_stack(Account(profile, region), stack).confirm(link)
    _print(subscriptions.confirm_message(confirmed, stack_options(stack, profile, region)))


@app.command()
def remove(  # noqa: PLR0913 - a command's options, by name
    endpoint: Annotated[str, typer.Argument(help="Endpoint, as shown by `labelwatch subscribers list`.")],
    *,
    alerts: Alerts = False,
    operations: Operations = False,
    stack: Stack = "labelwatch",
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Unsubscribe an endpoint from alerts and alarms.

    The command also revokes the access that `labelwatch subscribe` granted for a queue or function.
    """
    from labelwatch import subscriptions
    from labelwatch.shared.account import Account
    from labelwatch.shared.errors import UserError

    account = Account(profile, region)
    subscribers = subscriptions.from_stack(account, stack)
    options = ((subscribers.alerts, alerts), (subscribers.operations, operations))
    # Neither option means both topics.
    topics = [topic for topic, is_given in options if is_given or alerts == operations]
    result = subscribers.remove(endpoint, topics)
    messages = subscriptions.remove_messages(endpoint, result)
    if not result.removed:
        raise UserError(" ".join(messages))
    _print(*messages)
    for subscription in result.removed:
        _print(*subscriptions.revoke(account, subscription.endpoint, subscription.topic.arn))


def _print_paragraphs(*paragraphs: str) -> None:
    _print("\n\n".join(paragraphs))


def _print(*sentences: str) -> None:
    for sentence in sentences:
        console().print(sentence, soft_wrap=True)  # commands and addresses must stay on one line


def stack_options(stack: str, profile: str | None, region: str | None) -> str:
    """The options of this command line that name the stack, for commands to copy."""
    is_default = stack == "labelwatch" and not os.environ.get("LABELWATCH_STACK")
    options = {"stack": None if is_default else stack, "profile": profile, "region": region}
    return "".join(f" --{name} {shlex.quote(value)}" for name, value in options.items() if value)
