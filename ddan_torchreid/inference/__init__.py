"""Using a trained model: its features, searches with them, and other formats of it."""
