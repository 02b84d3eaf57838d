"""The Custom Labels model of a stack: its status, start and stop."""
