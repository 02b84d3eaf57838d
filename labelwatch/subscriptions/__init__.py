"""The subscribers of a stack's two topics."""
