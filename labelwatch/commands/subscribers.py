"""The commands for the subscribers of alerts and alarms."""

import shlex
from typing import Annotated

import typer

from labelwatch.commands.options import Profile, Region, Stack, console

app = typer.Typer(
    help="Who is told of alerts and alarms. Region and credentials as the AWS tools take them.",
    no_args_is_help=True,
)

Alerts = Annotated[bool, typer.Option("--alerts", help="Only of the alerts' topic.")]
Operations = Annotated[bool, typer.Option("--operations", help="Only of the topic of alarms, for whoever runs this.")]


def subscribe(  # noqa: PLR0913 - a command's options, by name
    endpoint: Annotated[
        str,
        typer.Argument(
            help="An e-mail address, +number for SMS, https:// URL, or the ARN of an SQS queue or a Lambda function."
        ),
    ],
    *,
    label: Annotated[
        list[str] | None, typer.Option(help="Only alerts that tell of this label; may be given several times.")
    ] = None,
    confidence: Annotated[
        float | None, typer.Option(help="Only alerts whose highest confidence is at least this, 0 to 100.")
    ] = None,
    operations: Annotated[bool, typer.Option("--operations", help="To the alarms, not to the alerts.")] = False,
    stack: Stack = "labelwatch",
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Have somebody, or something, told of the alerts. Once more for the same endpoint: with another filter, or none.

    A queue or a function of the stack's account and Region lets the topic in, which is done here.
    """
    from labelwatch import subscriptions
    from labelwatch.shared.account import Account
    from labelwatch.shared.errors import UserError

    requested, subscriber = subscriptions.parse_filter(label or [], confidence), subscriptions.parse_endpoint(endpoint)
    if operations and requested.policy:
        raise UserError(
            "alarms have neither labels nor a confidence; --operations goes without --label and --confidence."
        )
    account = Account(profile, region)
    subscribers = subscriptions.from_stack(account, stack)
    topic = subscribers.operations if operations else subscribers.alerts
    granted = subscriptions.grant(account, subscriber, topic.arn)
    result = subscribers.subscribe(topic, subscriber, requested.policy)
    listed = subscribers.subscriptions(topic)
    options = _stack_options(stack, profile, region)
    _print(*granted, subscriptions.subscribe_message(topic, subscriber, result, options))
    _print(*subscriptions.filter_warnings(requested, subscribers.labels_of_interest))
    console().print(subscriptions.as_table(listed))
    # Without topics: AWS may list a new subscription a moment later.
    _print(*subscriptions.remaining_actions([], listed, options))
    if subscriber.protocol == "sms":
        _print(subscriptions.SMS_SANDBOX)


@app.command("list")
def list_(stack: Stack = "labelwatch", profile: Profile = None, region: Region = None) -> None:
    """Show who is told of what, who has not confirmed it, and whose confirmation a link in a mail can undo."""
    from labelwatch import subscriptions
    from labelwatch.shared.account import Account

    subscribers = subscriptions.from_stack(Account(profile, region), stack)
    topics = subscribers.alerts, subscribers.operations
    listed = subscribers.subscriptions(*topics)
    if listed:
        console().print(subscriptions.as_table(listed))
    _print(*subscriptions.remaining_actions(topics, listed, _stack_options(stack, profile, region)))


@app.command()
def confirm(
    link: Annotated[
        str, typer.Argument(help="Where `Confirm subscription` in the mail of AWS leads to, or its Token.")
    ],
    stack: Stack = "labelwatch",
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Confirm a subscription so that the unsubscribe link in every mail, which mail scanners follow, cannot undo it.

    Following the link of AWS confirms too, but does not give that.
    """
    from labelwatch import subscriptions
    from labelwatch.shared.account import Account

    confirmed = subscriptions.from_stack(Account(profile, region), stack).confirm(link)
    _print(subscriptions.confirm_message(confirmed))


@app.command()
def remove(  # noqa: PLR0913 - a command's options, by name
    endpoint: Annotated[str, typer.Argument(help="The endpoint, as `labelwatch subscribers list` shows it.")],
    *,
    alerts: Alerts = False,
    operations: Operations = False,
    stack: Stack = "labelwatch",
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Have an endpoint told of nothing any more. What let the topic into a queue or a function is taken back."""
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


def _print(*sentences: str) -> None:
    for sentence in sentences:
        console().print(sentence, soft_wrap=True)  # what is to be copied must not be broken


def _stack_options(stack: str, profile: str | None, region: str | None) -> str:
    """The options of this command line that name the stack, for a command that is to be copied."""
    options = {"stack": stack if stack != "labelwatch" else None, "profile": profile, "region": region}
    return "".join(f" --{name} {shlex.quote(value)}" for name, value in options.items() if value)
