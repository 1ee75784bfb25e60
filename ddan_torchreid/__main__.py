"""``python -m ddan_torchreid``: the command line."""

import sys

from .cli import main

sys.exit(main())
