"""Audit: every uploaded image against its prediction or dead letter, every prediction against its alert."""
