"""DDAN in torchreid: its registries, its main script, checks of configurations."""
