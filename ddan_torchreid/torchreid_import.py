"""The first import of torchreid, without the warning that it ranks slowly.

torchreid from PyPI has no compiled evaluator and says so whenever it is imported. DDAN's engine and
every command rank with :mod:`ddan_torchreid.evaluation.ranking`.
"""

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="Cython evaluation")
    import torchreid  # noqa: F401
