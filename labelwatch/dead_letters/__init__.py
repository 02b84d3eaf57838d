"""Dead letters: list them, redrive them to their source queue, or purge them."""
