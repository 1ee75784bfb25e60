"""DDAN (Dual Distribution Alignment Network, Chen et al., AAAI 2021) for torchreid.

Importing this package registers its models, datasets, engine, sampler and transforms with
torchreid.
"""

from . import losses, torchreid_import  # noqa: F401 the latter before any other import of it
from .data.sampler import MultiDomainIdentitySampler
from .domains import central_domain, domain_distances
from .engine import ImageDDANEngine
from .id_pool import IdentityPool
from .integration import register
from .models import DomainDiscriminator, load_model
from .settings import DDANSettings
from .version import __version__

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
