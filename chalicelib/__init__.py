"""What runs in Lambda; docs/decisions tells why it is as it is."""

__version__ = "0.1.0"
