"""Links of alerts to picture pages: how to end them before they expire."""

from labelwatch.links import revoking

__all__ = ["revoking"]
