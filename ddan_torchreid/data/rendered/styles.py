"""What the domains look like: their places, how people dress there and how their cameras see."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Style:
    """One look of a place and its cameras; a mixed domain has several.

    Attributes:
        scenes: scene kind of camera 0, 1, ... (see ``scene.SCENES``).
        directions: walking direction seen by each camera, in 1/256 turns (0 towards the camera,
            64 to the right, 128 away).
        reverse: share of people who walk the other way.
        seasons: weights of summer, mild and winter clothes.
        bags: weights of no bag, backpack, shoulder bag, handbag and trolley.
        sun: depth of cast and body shadows, 0 (overcast, indoor) to 1 (noon).
        tilt: how far the cameras look down, 0 to 0.4.
        white: gains of red, green and blue.
        gamma: exponent of the tone curve; above 1 is darker.
        contrast: slope around middle grey.
        saturation: 0 is grey, 1 is natural.
        lift: black level, 0 to 255 (haze, stray light).
        blur: passes of a 3-tap filter.
        noise: largest change of a grey value by sensor noise.
        resolution: share of the pixels kept along each side.
        jpeg: quality of the JPEG compression, 0 for none.
        crowd: chance of another person behind or beside.
        occlusion: chance of something in front.
        jitter: size of the errors of the person detector, 1 is usual.
        spread: how much the cameras of the domain differ in the response above.
    """

    scenes: tuple[str, ...]
    directions: tuple[int, ...] = (0, 128, 64)
    reverse: float = 0.25
    seasons: tuple[float, float, float] = (1, 2, 1)
    bags: tuple[float, ...] = (4, 2, 2, 1, 0)
    sun: float = 0.3
    tilt: float = 0.12
    white: tuple[float, float, float] = (1.0, 1.0, 1.0)
    gamma: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0
    lift: int = 0
    blur: int = 1
    noise: int = 8
    resolution: float = 1.0
    jpeg: int = 0
    crowd: float = 0.25
    occlusion: float = 0.12
    jitter: float = 1.0
    spread: float = 1.0


_PLAZA = Style(
    scenes=("plaza", "facade", "plaza"), directions=(32, 160, 80), seasons=(6, 2, 0), sun=0.9,
    white=(1.08, 1.0, 0.85), gamma=0.86, contrast=1.2, saturation=1.2, jpeg=75, noise=4,
)  # fmt: skip
_CAMPUS = Style(
    scenes=("lawn", "brick", "lawn"), directions=(0, 128, 200), seasons=(2, 5, 1),
    bags=(3, 6, 2, 1, 0), sun=0.5, tilt=0.2, white=(0.93, 1.08, 0.92), gamma=1.12, saturation=0.9,
    blur=1, noise=6, resolution=0.75, jpeg=50,
)  # fmt: skip
_MALL = Style(
    scenes=("shops", "atrium", "shops"), directions=(16, 120, 60), seasons=(2, 4, 2),
    bags=(3, 1, 4, 4, 0), sun=0.1, tilt=0.32, white=(1.17, 0.96, 0.8), gamma=0.88, contrast=0.94,
    saturation=0.95, lift=10, blur=1, noise=8, jpeg=50, crowd=0.35,
)  # fmt: skip
_STATION = Style(
    scenes=("platform", "concourse", "platform"), directions=(64, 190, 128), seasons=(0, 2, 6),
    bags=(3, 3, 2, 1, 3), sun=0.05, tilt=0.24, white=(0.84, 1.0, 1.2), gamma=1.22, contrast=0.95,
    saturation=0.72, blur=1, noise=14, jpeg=0, crowd=0.4, occlusion=0.2,
)  # fmt: skip
_FILM = Style(
    scenes=("street", "interior"), directions=(20, 56), reverse=0.25, seasons=(2, 3, 2), sun=0.3,
    tilt=0.14, saturation=0.95, noise=11, jitter=0.7, spread=0.3, crowd=0.2, jpeg=75,
)  # fmt: skip

STYLES: dict[str, tuple[Style, ...]] = {
    "rendered_plaza": (_PLAZA,),
    "rendered_campus": (_CAMPUS,),
    "rendered_mall": (_MALL,),
    "rendered_station": (_STATION,),
    "rendered_film": (
        _FILM,
        replace(
            _FILM, scenes=("facade", "plaza"), seasons=(5, 3, 1), sun=0.6, white=(1.04, 1.0, 0.94),
            gamma=0.96, contrast=1.06, saturation=1.04,
        ),
        replace(
            _FILM, scenes=("shops", "interior"), bags=(3, 1, 4, 3, 0), tilt=0.28, sun=0.1,
            white=(1.11, 0.98, 0.86), gamma=0.9, contrast=0.94, lift=8, jpeg=55,
        ),
        replace(
            _FILM, scenes=("concourse", "street"), seasons=(0, 2, 5), bags=(3, 3, 2, 1, 2),
            tilt=0.2, sun=0.05, white=(0.92, 1.0, 1.1), gamma=1.12, saturation=0.84, noise=12,
        ),
        replace(
            _FILM, scenes=("lawn", "street"), seasons=(2, 5, 1), bags=(3, 4, 2, 1, 0),
            white=(0.97, 1.03, 0.97), gamma=1.04, resolution=0.9, saturation=0.94,
        ),
    ),
    "rendered_harbour": (
        Style(
            scenes=("quay", "street"), directions=(48, 140), seasons=(1, 4, 2), sun=0.35, tilt=0.1,
            white=(0.92, 1.0, 1.1), saturation=0.8, lift=22, contrast=0.85, blur=2, noise=10,
        ),
    ),
    "rendered_arcade": (
        Style(
            scenes=("shops", "brick"), directions=(8, 100), seasons=(3, 3, 1), tilt=0.28,
            white=(1.08, 0.94, 1.06), gamma=1.2, saturation=1.2, noise=14, jpeg=50, crowd=0.4,
        ),
    ),
    "rendered_park": (
        Style(
            scenes=("lawn", "quay", "plaza"), directions=(0, 90, 170), seasons=(3, 3, 2), sun=0.6,
            white=(1.0, 1.04, 0.96), contrast=1.05,
        ),
    ),
    "rendered_office": (
        Style(
            scenes=("interior", "atrium", "corridor"), directions=(10, 70, 128), seasons=(1, 4, 2),
            sun=0.05, tilt=0.25, white=(1.02, 1.03, 0.95), lift=8, contrast=0.95, noise=10,
        ),
    ),
    "rendered_stadium": (
        Style(
            scenes=("concourse", "street", "facade"), directions=(32, 120, 210), seasons=(2, 2, 3),
            sun=0.4, tilt=0.18, white=(0.97, 1.0, 1.05), gamma=1.1, noise=9, jpeg=60, crowd=0.5,
        ),
    ),
    "rendered_snow": (
        Style(
            scenes=("snow", "snow"), directions=(40, 150), reverse=0.15, seasons=(0, 0, 1),
            bags=(4, 3, 2, 1, 0), sun=0.2, tilt=0.3, white=(0.95, 1.0, 1.12), gamma=0.8,
            contrast=0.85, saturation=0.45, lift=26, blur=2, noise=11, crowd=0.15, spread=1.4,
        ),
    ),
    "rendered_subway": (
        Style(
            scenes=("tunnel", "corridor", "tunnel"), directions=(0, 110, 140), seasons=(0, 4, 4),
            bags=(3, 3, 3, 1, 1), sun=0.0, tilt=0.36, white=(1.06, 1.08, 0.8), gamma=1.15,
            contrast=0.9, saturation=0.7, blur=2, noise=22, resolution=0.55, jpeg=40, crowd=0.4,
        ),
    ),
    "rendered_airport": (
        Style(
            scenes=("corridor", "concourse"), directions=(40, 150), seasons=(2, 5, 2),
            bags=(2, 3, 2, 1, 5), sun=0.05, tilt=0.2, white=(0.92, 1.08, 1.0), gamma=0.92, lift=10,
            saturation=0.85, noise=12, jpeg=32, crowd=0.65, occlusion=0.45, jitter=1.8, spread=1.2,
        ),
    ),
    "rendered_night": (
        Style(
            scenes=("night", "night"), directions=(8, 56), reverse=0.3, seasons=(3, 4, 2), sun=0.4,
            tilt=0.12, white=(1.08, 0.99, 0.85), gamma=0.98, contrast=0.97, saturation=0.95,
            blur=1, noise=9, jpeg=65, crowd=0.15, spread=0.3,
        ),
    ),
    "rendered_library": (
        Style(
            scenes=("library", "reading_room"), directions=(16, 104), seasons=(1, 5, 2),
            bags=(3, 4, 3, 1, 0), sun=0.0, tilt=0.22, white=(1.14, 1.0, 0.78), gamma=1.08,
            contrast=0.9, saturation=0.85, noise=10, jpeg=55, crowd=0.2, occlusion=0.3,
        ),
    ),
    "rendered_bridge": (
        Style(
            scenes=("bridge", "embankment"), directions=(60, 180), seasons=(3, 3, 2), sun=0.7,
            tilt=0.06, white=(0.98, 1.02, 1.04), gamma=0.9, contrast=1.1, noise=7, resolution=0.6,
            jpeg=60, crowd=0.3, spread=0.7,
        ),
    ),
    "rendered_beach": (
        Style(
            scenes=("beach", "promenade"), directions=(56, 144), reverse=0.35, seasons=(6, 1, 0),
            bags=(4, 2, 4, 2, 0), sun=1.0, tilt=0.08, white=(1.04, 1.0, 0.94), gamma=0.78,
            contrast=0.95, saturation=0.75, lift=16, noise=6, resolution=0.7, jpeg=45, spread=1.2,
        ),
    ),
    "rendered_garage": (
        Style(
            scenes=("garage", "stairwell"), directions=(24, 120), seasons=(1, 4, 3),
            bags=(4, 2, 3, 2, 1), sun=0.0, tilt=0.34, white=(1.18, 1.0, 0.7), gamma=1.25,
            contrast=1.1, saturation=0.6, noise=18, resolution=0.65, jpeg=35, crowd=0.1,
            occlusion=0.25, jitter=1.3,
        ),
    ),
    "rendered_market": (
        Style(
            scenes=("market", "alley"), directions=(0, 90), seasons=(3, 3, 1),
            bags=(2, 1, 3, 5, 1), sun=0.5, tilt=0.16, white=(1.06, 0.95, 1.0), gamma=1.02,
            contrast=1.15, saturation=1.3, noise=7, jpeg=40, crowd=0.75, occlusion=0.4, jitter=1.5,
        ),
    ),
    "rendered_rain": (
        Style(
            scenes=("wet_street", "bus_stop"), directions=(36, 200), seasons=(0, 3, 4),
            bags=(3, 3, 2, 1, 1), sun=0.0, tilt=0.2, white=(0.9, 0.99, 1.14), gamma=1.05,
            contrast=0.9, saturation=0.65, lift=24, blur=2, noise=12, resolution=0.75, spread=1.3,
        ),
    ),
}  # fmt: skip
