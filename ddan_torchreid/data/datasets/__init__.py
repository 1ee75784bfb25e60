"""Datasets on disk: the published ones and one's own, listed and checked."""
