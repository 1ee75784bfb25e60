"""Faster steps with the same results: compiled encoder, CUDA graphs."""
