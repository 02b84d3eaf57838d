"""Checks of those who read the predictions: subscribers of alerts and alarms, and the Athena tables."""

from collections.abc import Iterator

from labelwatch.analytics import TABLES, Athena, Tables
from labelwatch.doctor.check import Outcome, failed, passed, warned
from labelwatch.doctor.deployment import Deployment
from labelwatch.shared.text import counted
from labelwatch.subscriptions import State, Subscribers, Subscription, Topic


def check_subscriptions(deployment: Deployment) -> Iterator[Outcome]:
    """Whether somebody receives the alerts and the alarms, and nobody else can unsubscribe them."""
    subscribers = Subscribers(deployment.client("sns"), deployment.name, deployment.values)
    for topic in (subscribers.alerts, subscribers.operations):
        listed = [item for item in subscribers.subscriptions(topic) if item.state != State.REMOVED]
        yield from _outcomes(deployment, topic, listed)


def check_tables(deployment: Deployment) -> Iterator[Outcome]:
    """Whether the Athena tables equal their DDL."""
    values = deployment.values
    athena = Athena(deployment.client("athena"), values["DatabaseName"], values["WorkgroupName"])
    tables = Tables(athena, deployment.client("glue"), values["DatabaseName"], values["OutputBucket"])
    states = {name: tables.state(name) for name in TABLES}
    missing = [name for name, (exists, _) in states.items() if not exists]
    differing = [name for name, (exists, equals) in states.items() if exists and not equals]
    action = f"Run `labelwatch athena up{deployment.options}`."
    if differing:
        yield failed(f"Table {' and '.join(differing)} differs from its DDL.", action)
    if missing:
        yield warned(f"{counted(len(missing), 'table')} of {len(TABLES)} missing.", action)
    if not differing and not missing:
        yield passed(f"{len(TABLES)} tables in {values['DatabaseName']}.")


def _outcomes(deployment: Deployment, topic: Topic, listed: list[Subscription]) -> Iterator[Outcome]:
    states = [item.state for item in listed]
    unconfirmed, unprotected = states.count(State.UNCONFIRMED), states.count(State.CONFIRMED)
    active = len(states) - unconfirmed
    confirm = f"Run `labelwatch subscribers confirm 'LINK'{deployment.options}` with the link of AWS's e-mail."
    if not active:
        option = " --operations" if topic.name == "operations" else ""
        yield failed(
            f"No confirmed subscription to {topic.name}.",
            confirm if unconfirmed else f"Run `labelwatch subscribe ADDRESS{option}{deployment.options}`.",
        )
        return
    if unconfirmed:
        yield warned(f"{counted(unconfirmed, 'unconfirmed subscription')} to {topic.name}.", confirm)
    if unprotected:
        yield warned(
            f"{counted(unprotected, 'subscription')} to {topic.name} can be ended with the link in a message.",
            f"Run `labelwatch subscribers list{deployment.options}`, which says how to protect each.",
        )
    if not unconfirmed and not unprotected:
        yield passed(f"{counted(active, 'confirmed subscription')} to {topic.name}.")
