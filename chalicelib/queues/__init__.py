"""What the queue-driven steps share: batches, dead letters, idempotency."""
