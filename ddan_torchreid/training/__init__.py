"""Everything around the step: the epoch loop, checkpoints, precision, acceleration."""
