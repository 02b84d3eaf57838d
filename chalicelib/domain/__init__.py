"""What the words mean, without I/O."""
