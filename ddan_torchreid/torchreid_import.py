"""The first import of torchreid, without the warning that it ranks slowly: this package ranks.

torchreid from PyPI has no compiled evaluator and says so whenever it is imported.
"""

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="Cython evaluation")
    import torchreid  # noqa: F401
