"""The operator's command; it is never deployed."""
