"""One module for each command of ``ddan-torchreid``; see :mod:`ddan_torchreid.cli`."""
