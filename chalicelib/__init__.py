"""What runs in Lambda; docs/decisions tells why it is as it is."""
