"""What makes a person: clothes, hair, skin, bag and build, drawn from an identity's own seed."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from ddan_torchreid.data.rendered.canvas import Colour, generator, jittered, pick, weighted
from ddan_torchreid.data.rendered.domains import DOMAINS, find_domain
from ddan_torchreid.data.rendered.styles import Style

SHARED_EVERY = 4
"""Every fourth identity of a domain wears a look that most other domains have too."""

_SKIN = ((236, 196, 170), (222, 178, 146), (196, 146, 110), (150, 102, 72), (96, 64, 46))
_HAIR = ((24, 20, 20), (44, 30, 24), (84, 56, 36), (140, 100, 56), (196, 164, 104), (150, 146, 142))
_SHOES = (
    (24, 24, 26), (60, 42, 32), (222, 222, 220), (130, 130, 134), (166, 40, 40), (44, 66, 130),
)  # fmt: skip
_BRIGHT = (
    (236, 236, 232), (226, 60, 56), (240, 152, 44), (244, 214, 72), (70, 168, 84), (64, 188, 186),
    (66, 122, 208), (132, 84, 180), (238, 142, 172), (176, 214, 240), (200, 226, 170),
    (250, 226, 196),
)  # fmt: skip
_MUTED = (
    (34, 36, 42), (84, 86, 90), (146, 148, 150), (44, 60, 104), (112, 40, 48), (72, 84, 56),
    (150, 118, 84), (196, 178, 148), (96, 110, 134), (60, 96, 96), (150, 84, 58), (214, 212, 206),
)  # fmt: skip
_DARK = (
    (20, 20, 24), (38, 40, 46), (26, 34, 62), (54, 46, 42), (62, 30, 36), (40, 52, 42),
    (72, 76, 84), (92, 70, 50), (128, 128, 132), (120, 28, 36), (178, 156, 120), (30, 64, 84),
)  # fmt: skip
_LOWER = (
    (28, 28, 32), (36, 44, 70), (66, 86, 126), (118, 140, 172), (74, 74, 78), (150, 148, 144),
    (176, 156, 122), (88, 72, 56), (70, 80, 60), (222, 220, 214), (110, 38, 44), (60, 58, 92),
)  # fmt: skip
BAGS = ("none", "backpack", "shoulder", "handbag", "trolley")
PATTERNS = ("plain", "stripes", "vertical", "check", "block", "print", "band")
LOWER_KINDS = ("trousers", "shorts", "skirt")
HATS = ("none", "cap", "beanie", "hood")

Weights = tuple[float, ...]


@dataclass(frozen=True)
class _Season:
    """How people dress: weights in the order of the options, and chances from 0 to 1.

    ``sleeves`` and ``hems`` map a length (see ``Look``) to its weight.
    """

    colours: tuple[Colour, ...]
    rare_colours: tuple[Colour, ...]
    patterns: Weights
    sleeves: dict[float, float]
    hems: dict[float, float]
    lower_kinds: Weights
    hats: Weights
    open_front: float
    scarf: float


_SEASONS = (
    _Season(  # summer
        _BRIGHT, _MUTED, patterns=(46, 18, 6, 8, 8, 10, 4),
        sleeves={0.0: 1, 0.32: 4, 0.45: 3, 1.0: 1}, hems={0.5: 2, 0.46: 1},
        lower_kinds=(5, 4, 3), hats=(8, 2, 0, 0), open_front=0.1, scarf=0.0,
    ),
    _Season(  # mild
        _MUTED, _BRIGHT, patterns=(46, 12, 5, 12, 12, 8, 5),
        sleeves={0.45: 2, 0.7: 1, 1.0: 7}, hems={0.5: 3, 0.46: 3, 0.42: 1},
        lower_kinds=(8, 1, 2), hats=(8, 1, 0.5, 0.5), open_front=0.35, scarf=0.08,
    ),
    _Season(  # winter
        _DARK, _MUTED, patterns=(62, 3, 4, 4, 15, 4, 8),
        sleeves={1.0: 1}, hems={0.48: 3, 0.42: 3, 0.34: 3, 0.24: 2},
        lower_kinds=(9, 0, 1), hats=(6, 0.5, 2, 1.5), open_front=0.35, scarf=0.35,
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Look:
    """The parameters of one identity.

    Attributes:
        sleeve: covered share of the arm, 0.5 reaches to the elbow.
        hem: height of the lower edge of the top, as a share of the stature.
        accent: colour of the pattern.
        inner: colour of what is under an open jacket.
        lower_length: height of the lower edge of trousers, shorts or skirt, as a share of it.
        stature: body height relative to the average.
        girth: body width relative to the average.
    """

    skin: Colour
    hair: Colour
    hair_style: str
    upper: Colour
    accent: Colour
    inner: Colour
    pattern: str
    sleeve: float
    hem: float
    open_front: bool
    lower: Colour
    lower_kind: str
    lower_length: float
    shoes: Colour
    bag: str
    bag_colour: Colour
    hat: str
    hat_colour: Colour
    scarf: bool
    stature: float
    girth: float

    def colours(self) -> tuple[Colour, ...]:
        """All colours in the order of the fields."""
        values = (getattr(self, field.name) for field in fields(self))
        return tuple(value for value in values if isinstance(value, tuple))


def _draw_look(seed: tuple[str | int, ...], seasons: Weights, bags: Weights) -> Look:
    rng = generator("look", *seed)
    season = weighted(rng, _SEASONS, seasons)
    common = rng.random() < 0.72
    lower_kind = weighted(rng, LOWER_KINDS, season.lower_kinds)
    if lower_kind == "trousers":
        lower_length = weighted(rng, (0.05, 0.09, 0.15), (6, 2, 1))
    elif lower_kind == "shorts":
        lower_length = rng.uniform(0.25, 0.36)
    else:
        lower_length = weighted(rng, (0.34, 0.26, 0.12), (3, 3, 1))
    return Look(
        skin=jittered(rng, pick(rng, _SKIN), 8),
        hair=jittered(rng, pick(rng, _HAIR), 8),
        hair_style=weighted(rng, ("short", "long", "bun", "bob", "bald"), (9, 6, 2, 3, 1)),
        upper=jittered(rng, pick(rng, season.colours if common else season.rare_colours), 16),
        accent=jittered(rng, pick(rng, _BRIGHT if rng.random() < 0.6 else _MUTED), 14),
        inner=jittered(rng, pick(rng, _BRIGHT + _MUTED), 12),
        pattern=weighted(rng, PATTERNS, season.patterns),
        sleeve=weighted(rng, tuple(season.sleeves), tuple(season.sleeves.values())),
        hem=weighted(rng, tuple(season.hems), tuple(season.hems.values())),
        open_front=rng.random() < season.open_front,
        lower=jittered(rng, pick(rng, _LOWER), 14),
        lower_kind=lower_kind,
        lower_length=lower_length,
        shoes=jittered(rng, pick(rng, _SHOES), 8),
        bag=weighted(rng, BAGS, bags),
        bag_colour=jittered(rng, pick(rng, _MUTED + _DARK + _BRIGHT[1:8]), 12),
        hat=weighted(rng, HATS, season.hats),
        hat_colour=jittered(rng, pick(rng, _MUTED + _BRIGHT), 12),
        scarf=rng.random() < season.scarf,
        stature=rng.uniform(0.93, 1.07),
        girth=rng.uniform(0.84, 1.24),
    )


def style_of(domain: str, identity: int) -> Style:
    """The style an identity is filmed in; only a mixed domain has more than one."""
    styles = find_domain(domain).styles
    return styles[identity % len(styles)]


def _is_shared(domain: str, identity: int) -> bool:
    # Each group leaves out every fifth domain in turn, so that groups differ in their members.
    group, position = divmod(identity, SHARED_EVERY)
    return position == 0 and (group + list(DOMAINS).index(domain)) % 5 != 0


def look_of(domain: str, identity: int) -> Look:
    """The look of one identity of a domain.

    Args:
        domain: name of a rendered domain.
        identity: number of the person, 0 or more.

    Returns:
        The look; the same one in every process.

    Raises:
        ValueError: if the domain is unknown.
    """
    style = style_of(domain, identity)
    if not _is_shared(domain, identity):
        return _draw_look((domain, identity), style.seasons, style.bags)
    base = _draw_look(("shared", identity), (1, 2, 1), (4, 3, 2, 1, 1))
    rng = generator("variant", domain, identity)
    changes: dict[str, object] = {
        field.name: jittered(rng, getattr(base, field.name), 7)
        for field in fields(base)
        if isinstance(getattr(base, field.name), tuple)
    }
    changes["stature"] = base.stature * rng.uniform(0.985, 1.015)
    changes["girth"] = base.girth * rng.uniform(0.97, 1.03)
    return replace(base, **changes)  # type: ignore[arg-type]


def passer_by(domain: str, style: Style, number: int) -> Look:
    """The look of somebody who is no identity of the domain and only walks by."""
    return _draw_look((domain, "passer-by", number), style.seasons, style.bags)


def lookalikes(
    domain_a: str, domain_b: str, identities: int | None = None
) -> list[tuple[int, int]]:
    """Pairs of different people of two domains who look alike by construction.

    Args:
        domain_a: name of the first domain.
        domain_b: name of the second domain.
        identities: how many training identities of each to search; default: the smaller of
            the two domains' own numbers.

    Returns:
        Pairs (identity of ``domain_a``, identity of ``domain_b``), sorted.

    Raises:
        ValueError: if a name is unknown or both are the same.
    """
    if find_domain(domain_a) is find_domain(domain_b):
        raise ValueError(f"look-alikes need two different domains, but both are '{domain_a}'")
    if identities is None:
        identities = min(DOMAINS[domain_a].identities, DOMAINS[domain_b].identities)
    shared = range(0, identities, SHARED_EVERY)
    return [(i, i) for i in shared if _is_shared(domain_a, i) and _is_shared(domain_b, i)]
