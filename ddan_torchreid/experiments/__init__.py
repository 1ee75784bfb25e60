"""The tables and figures of the paper, benchmark protocols, and the demonstration."""
