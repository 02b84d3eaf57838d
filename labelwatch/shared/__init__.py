"""What several packages need: account, stacks, console, errors, text, prices."""
