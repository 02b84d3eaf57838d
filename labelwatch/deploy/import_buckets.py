"""Imports the buckets that `labelwatch down` kept into a new stack.

CloudFormation imports existing resources into a stack that has no others, and does not change them. So the buckets are
imported alone, their protection is restored by S3's own API, and an update creates the other resources.
"""

from typing import Any

from labelwatch.deploy.buckets import StackBuckets
from labelwatch.deploy.stack_changes import StackChanges
from labelwatch.deploy.stage_stack import BUCKETS, DesiredStack
from labelwatch.shared.errors import UserError

# These properties refer to other resources, or set how long objects are kept: the update after the import sets them.
SET_AFTER_IMPORT = {"NotificationConfiguration", "LoggingConfiguration", "CorsConfiguration", "LifecycleConfiguration"}


def import_template(template: dict[str, Any], buckets: dict[str, str]) -> dict[str, Any]:
    """The template that imports these buckets: their protection, without properties that refer to other resources."""
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Parameters": {},
        "Resources": {
            logical_id: {
                "Type": "AWS::S3::Bucket",
                "DeletionPolicy": "Retain",
                "Properties": {
                    key: value
                    for key, value in template["Resources"][logical_id]["Properties"].items()
                    if key not in SET_AFTER_IMPORT
                }
                | {"BucketName": name},
            }
            for logical_id, name in buckets.items()
        },
    }


def imported_before(desired: DesiredStack) -> dict[str, str]:
    """The buckets of a stack that has only imported buckets, because an earlier run was interrupted or failed."""
    if not desired.current or desired.current.outputs:
        return {}
    return {name: desired.physical_ids[name] for name in BUCKETS if name in desired.physical_ids}


def import_kept(changes: StackChanges, kept: dict[str, str]) -> None:
    """Creates the stack with the kept buckets alone, after a confirmation."""
    plan = changes.required(changes.plan_import(import_template(changes.template, kept), kept))
    changes.confirm(plan, "The other resources are created after the import.")
    changes.apply(plan)


def protect(buckets: StackBuckets, template: dict[str, Any], imported: dict[str, str]) -> None:
    """Restores the protection of imported buckets: CloudFormation does not compare buckets with the template."""
    for logical_id, name in imported.items():
        buckets.protect(name, template["Resources"][logical_id]["Properties"])


def create_the_rest(changes: StackChanges, *, confirmed: bool) -> dict[str, str]:
    """Creates all resources except the imported buckets, and returns the stack's outputs."""
    try:
        plan = changes.required(changes.plan())
        if confirmed:
            changes.show(plan)
        else:
            changes.confirm(plan)
        return changes.apply(plan)
    except UserError as problem:
        raise UserError(
            f"The buckets are imported, but the other resources are not created. {str(problem).rstrip('.')}. Run the "
            "same command to continue."
        ) from None
