"""DDAN (Dual Distribution Alignment Network, Chen et al., AAAI 2021) for torchreid.

Importing this package registers its models, engine, sampler and transforms with torchreid.
"""

import sys

from . import torchreid_import  # noqa: F401 before any other import of torchreid
from .config.settings import DDANSettings
from .data.sampler import MultiDomainIdentitySampler
from .engine import ImageDDANEngine
from .integration.registration import register
from .method import losses
from .method.central_domain import central_domain, domain_distances
from .method.discriminator import DomainDiscriminator
from .method.identity_pool import IdentityPool
from .models import load_model
from .version import __version__

# `from ddan_torchreid.losses import ...` finds them as well.
sys.modules[f"{__name__}.losses"] = losses
register()

__all__ = [
    "DDANSettings",
    "DomainDiscriminator",
    "IdentityPool",
    "ImageDDANEngine",
    "MultiDomainIdentitySampler",
    "__version__",
    "central_domain",
    "domain_distances",
    "load_model",
    "losses",
    "register",
]
