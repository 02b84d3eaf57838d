"""Dead letters: looking at what was set aside, putting it back on its queue, or deleting it."""
