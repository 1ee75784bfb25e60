"""How every plot looks: sizes, fonts, and one colour for the same row everywhere."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib
import matplotlib.style
from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart with every kind of colour vision.
BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, BLACK, OLIVE = "#CC79A7", "#56B4E9", "#000000", "#8A7F00"
INK, QUIET = "#222222", "#777777"

_ROLES = {
    "identity": ORANGE,
    "triplet": BLUE,
    "baseline": BLUE,
    "alignment": GREEN,
    "without": GREEN,
    "similarity": VERMILION,
    "ddan": VERMILION,
    "with": VERMILION,
    "pairwise": PURPLE,
}
DOMAINS = (BLUE, ORANGE, GREEN, VERMILION, SKY, BLACK, OLIVE)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1, 1, 1)))

# A panel is about as wide as a telephone, so that its text is readable there.
WIDTH, HEIGHT = 4.5, 3.1

_RC: dict[str, Any] = {
    "font.family": "sans-serif",
    # Verdana is as wide as DejaVu Sans, which the layout is computed with.
    "font.sans-serif": ["DejaVu Sans", "Verdana", "sans-serif"],
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelcolor": INK,
    "axes.edgecolor": "#999999",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.7,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "legend.handlelength": 1.6,
    "legend.columnspacing": 1.2,
    "lines.linewidth": 1.6,
    "figure.constrained_layout.use": True,
    "figure.facecolor": "white",
    # Text stays text, and the names inside a file do not change from one writing to the next.
    "svg.fonttype": "none",
    "svg.hashsalt": "ddan_torchreid",
}


def svg(
    paint: Callable[[Figure], None], height: float = HEIGHT, width: float = WIDTH, dpi: int = 150
) -> bytes:
    """An SVG file, the same for the same input.

    Args:
        paint: draws on an empty figure.
        height, width: in inches.
        dpi: of what is rasterised inside.
    """
    # From matplotlib's defaults, whatever the user's own settings are.
    with matplotlib.style.context(["default", _RC]), warnings.catch_warnings():
        # Text stays text, so what the font here lacks the reader's may have.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure = Figure(figsize=(width, height), dpi=dpi)
        paint(figure)
        file = io.BytesIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()


def mathtext(text: str, longest: int = 48) -> str:
    """A text of the records for a plot: ``L_X`` as a loss term, all else literally, the rest of a
    long one left out."""
    text = text if len(text) <= longest else f"{text[: longest - 1]}…"
    # A backslash before a term would take the dollar sign that begins it.
    text = text.replace("\\", "\N{SET MINUS}").replace("$", r"\$")
    text = "".join(char if char.isprintable() else " " for char in text)
    return re.sub(r"\bL_([A-Za-z]+)", r"$L_{\\mathrm{\1}}$", text)


def row_styles(keys: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Colour, marker and dashes of each row.

    The colour says which loss terms a row has, the dashes which group it belongs to: IN/BN, or a
    protocol. Rows that stand for domains have the colours that Figure 2 gives those domains.
    """
    styles: dict[str, dict[str, Any]] = {}
    groups: list[str] = []
    others = 0
    swept = [key for key in keys if re.fullmatch(r"(k|tau)-.+", key)]
    for key in keys:
        again = 0
        role = re.sub(r"^in_bn_|^.*-(?=baseline$|ddan$)", "", key)
        group = key.removesuffix(role) if role in _ROLES else ""
        if group not in groups:
            groups.append(group)
        if role in _ROLES:
            colour = _ROLES[role]
            marker = MARKERS[list(_ROLES).index(role) % len(MARKERS)]
        elif key in swept:
            place = swept.index(key) / max(1, len(swept) - 1)
            colour = matplotlib.colors.to_hex(matplotlib.colormaps["viridis"](0.9 * place))
            marker = MARKERS[swept.index(key) % len(MARKERS)]
        else:
            colour, marker = domain_style(others)
            again = others // len(DOMAINS)
            others += 1
        styles[key] = {
            "color": colour,
            "marker": marker,
            "linestyle": _DASHES[(groups.index(group) + again) % len(_DASHES)],
            "hollow": group == "in_bn_" or again % 2 == 1,
        }
    return styles


def domain_style(number: int) -> tuple[str, str]:
    """Colour and marker of the n-th domain."""
    return DOMAINS[number % len(DOMAINS)], MARKERS[number % len(MARKERS)]
