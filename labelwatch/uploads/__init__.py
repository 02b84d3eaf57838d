"""Uploads: the tokens of the clients that may request presigned uploads."""

from labelwatch.uploads import tokens

__all__ = ["tokens"]
