"""Backfill: sends existing images of a bucket to the images queue."""
