"""The commands' words: options, help, and what is called. The doing is elsewhere, and is loaded when asked for."""
