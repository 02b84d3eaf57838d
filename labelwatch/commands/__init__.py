"""The commands' words: options, help, and what is called; the doing is elsewhere. Each loads what it needs when it runs."""
