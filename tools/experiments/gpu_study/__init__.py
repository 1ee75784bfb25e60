"""The study on photographs as one queue of short runs that share a GPU; see ``gpu_study.sh``."""
