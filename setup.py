"""Packaging of ddan_torchreid. Tool settings are in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(
    r"^__version__ = \"(.+)\"$", (HERE / "ddan_torchreid" / "version.py").read_text(), re.M
).group(1)

# torchreid's package on PyPI declares no dependencies of its own, so what it imports is listed too.
REQUIREMENTS = [
    "torch>=2.6",
    "torchvision>=0.21",
    "torchreid>=0.2.5",
    "numpy",
    "scipy",
    "POT",
    "gdown",
    "opencv-python-headless",
    "pillow>=10.1",
    "tensorboard",
    "yacs",
    "PyYAML",
    "tqdm",
    "filelock",
]
CUHK03 = ["h5py", "imageio"]
EXPORT = ["onnx", "onnxruntime"]
TOOLS = ["matplotlib", "scikit-learn", "jinja2"]
CHECK = ["ruff", "mypy", "types-PyYAML", "import-linter"]
TEST = ["pytest", "pytest-xdist", "hypothesis", *CHECK, *CUHK03, *EXPORT, *TOOLS]

setup(
    name="ddan_torchreid",
    version=VERSION,
    description="DDAN for generalisable person re-identification, on torchreid",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.11",
    classifiers=[f"Programming Language :: Python :: 3.{minor}" for minor in (11, 12, 13)],
    # The YAML files live at the top of the repository, where people look for them, and are
    # installed inside the package, so that an installed copy finds them by name.
    packages=[
        *find_packages(include=["ddan_torchreid", "ddan_torchreid.*"]),
        "ddan_torchreid.configs",
    ],
    package_dir={"ddan_torchreid.configs": "configs"},
    package_data={
        "ddan_torchreid": ["py.typed", "weights/*.pth"],
        "ddan_torchreid.configs": ["*.yaml"],
    },
    install_requires=REQUIREMENTS,
    extras_require={"cuhk03": CUHK03, "export": EXPORT, "tools": TOOLS, "test": TEST},
    entry_points={"console_scripts": ["ddan-torchreid = ddan_torchreid.cli:main"]},
)
