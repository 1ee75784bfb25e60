"""The authors' release, made anew, and other networks that are not as they were built."""

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

N = 7


def stir(network: nn.Module) -> None:
    """Running statistics and affine parameters that are not those of a new network."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.InstanceNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.0)
            nn.init.normal_(module.bias, std=0.2)
            if module.running_mean is not None:
                nn.init.normal_(module.running_mean, std=0.2)
                nn.init.uniform_(module.running_var, 0.8, 1.5)
                module.num_batches_tracked.fill_(190_000)


class Release:
    """The released networks from torchvision's and PyTorch's own pieces, with random weights."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.encoder = torchvision.models.mobilenet_v2()
        self.transfer = torchvision.models.mobilenet_v2()
        self.bn, self.classifier = nn.BatchNorm1d(1280), nn.Linear(1280, N)
        self.feat, self.cam_bn, self.cam = (
            nn.Linear(1280, 128),
            nn.BatchNorm1d(128),
            nn.Linear(128, 2),
        )
        self.em = torch.randn(N, 1280)
        self.em[2] = 0  # an identity that was never seen
        for module in (self.encoder, self.transfer, self.bn, self.cam_bn):
            stir(module)
            module.eval()

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """Neck features at test time: blocks 0..17 of one network, the last of the other."""
        x = images
        for block in list(self.encoder.features)[:18]:
            x = block(x)
        x = self.transfer.features[18](x)
        return self.bn(F.avg_pool2d(x, x.shape[2:]).view(len(x), -1))

    @torch.no_grad()
    def domain_logits(self, features: Tensor) -> Tensor:
        return self.cam(self.cam_bn(self.feat(features)))

    def state(self, prefix: str = "") -> dict:
        parts = {
            "Encoder": {"base": self.encoder},
            "Transfer": {"base": self.transfer, "bn": self.bn, "classifier": self.classifier},
            "CamDis": {"feat": self.feat, "bn": self.cam_bn, "classifier": self.cam},
        }
        state: dict = {
            part: {
                f"{prefix}{name}.{key}": value
                for name, module in modules.items()
                for key, value in module.state_dict().items()
            }
            for part, modules in parts.items()
        }
        return state | {"InvNet": {f"{prefix}em": self.em}, "epoch": 100}
