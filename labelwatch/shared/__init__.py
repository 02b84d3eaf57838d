"""What several packages need: account, stacks, console, errors, text, pricing."""
