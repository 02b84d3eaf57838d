"""Verification: an image from its upload to its alert, on a deployment, with everything removed afterwards."""

from labelwatch.verify.checks import CHECKS
from labelwatch.verify.deployment import CLIENT, from_stack
from labelwatch.verify.picture import read_picture
from labelwatch.verify.run import verify
from labelwatch.verify.state import Run

__all__ = ["CHECKS", "CLIENT", "Run", "from_stack", "read_picture", "verify"]
