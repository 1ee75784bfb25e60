"""What PyTorch reads from the environment before it first talks to a GPU."""

import os

# Its matrix products give the same bits twice only with a workspace of a fixed size.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
