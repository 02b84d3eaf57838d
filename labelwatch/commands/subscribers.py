"""The commands on who is told."""

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
    from labelwatch.shared.account import Account
    from labelwatch.shared.errors import UserError
    from labelwatch.subscriptions import filters, grants, guidance, subscription
    from labelwatch.subscriptions import subscribers as them
    from labelwatch.subscriptions.endpoints import endpoint_of

    asked, listener = filters.wanted(label or [], confidence), endpoint_of(endpoint)
    if operations and asked.policy:
        raise UserError(
            "alarms have neither labels nor a confidence; --operations goes without --label and --confidence."
        )
    account = Account(profile, region)
    subscribers = them.from_stack(account, stack)
    topic = subscribers.operations if operations else subscribers.alerts
    grant = grants.grant(account, listener, topic.arn)
    done = subscribers.subscribe(topic, listener, asked.policy)
    everybody = subscribers.of(topic)
    options = _again(stack, profile, region)
    _say(*grant, guidance.of_subscribing(topic, listener, done, options))
    _say(*guidance.of_filtering(asked, subscribers.labels_of_interest))
    console().print(subscription.shown(everybody))
    # Of no topic: AWS may list a moment later whom it has just subscribed.
    _say(*guidance.of_all([], everybody, options), *([guidance.SMS] if listener.protocol == "sms" else []))


@app.command("list")
def list_(stack: Stack = "labelwatch", profile: Profile = None, region: Region = None) -> None:
    """Show who is told of what, who has not confirmed it, and whose confirmation a link in a mail can undo."""
    from labelwatch.shared.account import Account
    from labelwatch.subscriptions import guidance, subscription
    from labelwatch.subscriptions import subscribers as them

    subscribers = them.from_stack(Account(profile, region), stack)
    topics = subscribers.alerts, subscribers.operations
    everybody = subscribers.of(*topics)
    if everybody:
        console().print(subscription.shown(everybody))
    _say(*guidance.of_all(topics, everybody, _again(stack, profile, region)))


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
    from labelwatch.shared.account import Account
    from labelwatch.subscriptions import guidance
    from labelwatch.subscriptions import subscribers as them

    _say(guidance.of_confirming(them.from_stack(Account(profile, region), stack).confirm(link)))


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
    from labelwatch.shared.account import Account
    from labelwatch.shared.errors import UserError
    from labelwatch.subscriptions import grants, guidance
    from labelwatch.subscriptions import subscribers as them

    account = Account(profile, region)
    subscribers = them.from_stack(account, stack)
    chosen = [
        topic
        for topic, asked in ((subscribers.alerts, alerts), (subscribers.operations, operations))
        if asked or alerts == operations
    ]
    removed = subscribers.remove(endpoint, chosen)
    told = guidance.of_removing(endpoint, removed)
    if not removed.subscriptions:
        raise UserError(" ".join(told))
    _say(*told)
    for one in removed.subscriptions:
        _say(*grants.revoke(account, one.endpoint, one.topic.arn))


def _say(*sentences: str) -> None:
    for sentence in sentences:
        console().print(sentence, soft_wrap=True)  # what is to be copied must not be broken


def _again(stack: str, profile: str | None, region: str | None) -> str:
    """The options of this command line that name the stack, for a command that is to be copied."""
    named = {"stack": stack if stack != "labelwatch" else None, "profile": profile, "region": region}
    return "".join(f" --{name} {shlex.quote(value)}" for name, value in named.items() if value)
