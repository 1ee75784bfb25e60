"""Files, folders, streams, signals and random generators: what every other room may use."""
