"""The local AWS: everything that stands in for AWS on one machine; it is never deployed."""
