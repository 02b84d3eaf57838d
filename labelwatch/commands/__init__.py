"""The commands: their options and help. Each imports its capability when it runs, so that --help is fast."""
