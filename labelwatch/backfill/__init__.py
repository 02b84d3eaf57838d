"""Backfill: images that were in a bucket before the stack, sent to the images queue."""
