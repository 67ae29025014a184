"""Sixteen kinds of traffic sign, drawn: 32x32 RGB pictures with the look of a dash-cam crop.

Lessons need pictures on which a trigger has a meaning, such as a sticker on a stop sign.  Drawn
signs need no licence, no network and no disk, and a seed fixes every pixel for a given version
of NumPy and OpenCV.

A sign is a table entry: an outline, coloured rings inside it and marks on top, all in sign
coordinates, where x points right, y points down and the outline fits in [-1, 1] x [-1, 1].
A picture is a sign sent down a pipeline: background, pose, occlusion, light, blur, sensor.
"""

from functools import cache
from typing import NamedTuple

import numpy as np

SIDE = 32  # pixels of a picture
FRAME = 64  # pixels of the scene that a picture is the area average of
PLATE = 96  # pixels of a template: about two to one in the scene, so linear sampling does not alias
SKETCH = 4 * PLATE  # pixels in which a template is drawn
MARGIN = 0.95  # the share of a template that its sign fills, so that no edge is cut

Colour = tuple[int, int, int]
Path = tuple[tuple[float, float], ...]

RED, BLUE, YELLOW = (192, 24, 34), (16, 82, 170), (252, 190, 16)
WHITE, GREY, BLACK = (244, 244, 240), (128, 130, 132), (18, 18, 20)


class Mark(NamedTuple):
    """Ink on a sign: a filled polygon where `width` is 0, else a smooth stroke.

    A stroke is the quadratic spline of its path; a point given twice is a sharp corner.
    """

    ink: Colour
    path: Path
    width: float = 0.0


class Sign(NamedTuple):
    """A regular polygon, turned by `turn` degrees, and what is painted on it in order."""

    corners: int
    turn: float
    rings: tuple[tuple[Colour, float], ...]  # colour, scale about the centroid
    marks: tuple[Mark, ...] = ()


# The stroke of a character, on a grid where it is 20 units high and its centre is (0, 0).
GLYPHS: dict[str, Path] = {
    "0": ((0, -10), (5.5, -10), (5.5, 0), (5.5, 10), (-5.5, 10), (-5.5, 0), (-5.5, -10), (0, -10)),
    "3": ((-5, -6), (-4, -10), (5, -10), (5, -1), (-1, -1), (-1, -1), (6, -1), (6, 10), (-5, 10), (-5, 6)),
    "5": ((5, -10), (-4, -10), (-4, -10), (-5, -1), (-5, -1), (-2, -4), (6, -4), (6, 10), (-5, 10), (-5, 6)),
    "8": ((0, -10), (5, -10), (5, -1), (-6, -1), (-6, 10), (6, 10), (6, -1), (-5, -1), (-5, -10), (0, -10)),
    "S": ((5, -6), (4, -10), (-5, -10), (-6, -1), (6, 1), (5, 10), (-4, 10), (-5, 6)),
    "T": ((-6, -10), (6, -10), (6, -10), (0, -10), (0, -10), (0, 10)),
    "P": ((-4.5, 10), (-4.5, -10), (-4.5, -10), (6.5, -10), (6.5, 1.5), (-4.5, 1)),
}
GLYPHS["O"] = GLYPHS["0"]


def _moved(path: Path, x: float = 0, y: float = 0, wide: float = 1, high: float = 1) -> Path:
    return tuple((x + wide * px, y + high * py) for px, py in path)


def _text(text: str, ink: Colour, grid: float, pitch: float, width: float) -> tuple[Mark, ...]:
    """Characters around the centre: the size of a grid unit, their distance, their stroke's width."""
    left = -pitch * (len(text) - 1) / 2
    paths = (_moved(GLYPHS[c], left + i * pitch, 0, grid, grid) for i, c in enumerate(text))
    return tuple(Mark(ink, path, width) for path in paths)


def _speed(limit: str) -> Sign:
    return Sign(64, 0, ((RED, 1), (WHITE, 0.77)), _text(limit, BLACK, 0.04, 0.64, 0.15))


def _warning(*marks: Mark) -> Sign:
    return Sign(3, -90, ((RED, 1), (WHITE, 0.74)), marks)


def _arrow(shaft: Path, head: Path) -> Sign:
    return Sign(64, 0, ((WHITE, 1), (BLUE, 0.94)), (Mark(WHITE, shaft, 0.22), Mark(WHITE, head)))


def _car(ink: Colour, x: float) -> tuple[Mark, ...]:
    """A car from behind."""
    cabin = ((-0.24, 0.05), (-0.15, -0.3), (0.15, -0.3), (0.24, 0.05))
    boot = ((-0.3, 0), (0.3, 0), (0.3, 0.3), (0.15, 0.3), (0.1, 0.2), (-0.1, 0.2), (-0.15, 0.3), (-0.3, 0.3))
    window = ((-0.16, -0.02), (-0.11, -0.2), (0.11, -0.2), (0.16, -0.02))
    return tuple(Mark(paint, _moved(path, x)) for paint, path in ((ink, cabin), (ink, boot), (WHITE, window)))


def _bars() -> tuple[Mark, ...]:
    """Five diagonals from the lower left to the upper right, the outer ones shorter."""
    bar, shifts = ((-0.6, 0.6), (0.6, -0.6)), (-0.34, -0.17, 0.0, 0.17, 0.34)
    return tuple(Mark(BLACK, _moved(bar, d, d, 1 - abs(d), 1 - abs(d)), 0.1) for d in shifts)


SIGNS: dict[str, Sign] = {
    "speed 30": _speed("30"),
    "speed 50": _speed("50"),
    "speed 80": _speed("80"),
    "no overtaking": Sign(64, 0, ((RED, 1), (WHITE, 0.8)), (*_car(RED, -0.36), *_car(BLACK, 0.36))),
    "end of limits": Sign(64, 0, ((GREY, 1), (WHITE, 0.94)), _bars()),
    "no entry": Sign(64, 0, ((WHITE, 1), (RED, 0.96)), (Mark(WHITE, ((-0.62, 0), (0.62, 0)), 0.3),)),
    "stop": Sign(8, 22.5, ((WHITE, 1), (RED, 0.93)), _text("STOP", WHITE, 0.029, 0.41, 0.11)),
    "yield": Sign(3, 90, ((RED, 1), (WHITE, 0.62))),
    "priority road": Sign(4, 0, ((GREY, 1), (WHITE, 0.97), (YELLOW, 0.7))),
    "caution": _warning(
        Mark(BLACK, ((-0.12, -0.36), (0.12, -0.36), (0.06, 0.28), (-0.06, 0.28))),
        Mark(BLACK, ((0, 0.48), (0, 0.48)), 0.2),
    ),
    "bend": _warning(
        Mark(BLACK, ((0.2, 0.62), (0.2, 0.2), (-0.14, 0.2), (-0.16, -0.12)), 0.17),
        Mark(BLACK, ((-0.4, -0.02), (-0.17, -0.42), (0.1, -0.04))),
    ),
    "road works": _warning(
        Mark(BLACK, ((0, -0.3), (0, -0.3)), 0.18),
        Mark(BLACK, ((-0.06, -0.14), (-0.14, 0.2), (-0.14, 0.2), (-0.34, 0.6)), 0.16),
        Mark(BLACK, ((-0.12, 0.2), (0.06, 0.32), (0.02, 0.6)), 0.12),
        Mark(BLACK, ((-0.2, 0), (0.3, 0.34)), 0.07),
        Mark(BLACK, ((0.12, 0.65), (0.38, 0.26), (0.64, 0.65))),
    ),
    "ahead only": _arrow(((0, 0.68), (0, -0.2)), ((-0.42, -0.16), (0, -0.72), (0.42, -0.16))),
    "turn right": _arrow(((-0.3, 0.6), (-0.3, -0.1), (0.2, -0.1)), ((0.1, -0.5), (0.65, -0.1), (0.1, 0.3))),
    "turn left": _arrow(((0.3, 0.6), (0.3, -0.1), (-0.2, -0.1)), ((-0.1, -0.5), (-0.65, -0.1), (-0.1, 0.3))),
    "parking": Sign(4, 45, ((WHITE, 1), (BLUE, 0.93)), _text("P", WHITE, 0.056, 0, 0.24)),
}
CLASSES: tuple[str, ...] = tuple(SIGNS)

# What stands behind signs: its lit colour, its shaded colour, and how rough it is from 0 to 1.
SCENES: dict[str, tuple[Colour, Colour, float]] = {
    "sky": ((246, 246, 246), (138, 174, 220), 0.1),
    "overcast": ((236, 238, 242), (188, 192, 200), 0.1),
    "leaves": ((140, 158, 82), (22, 38, 18), 0.9),
    "autumn leaves": ((168, 122, 64), (48, 34, 22), 0.9),
    "asphalt": ((146, 144, 142), (84, 84, 88), 0.6),
    "brick": ((172, 104, 84), (98, 56, 46), 0.5),
    "plaster": ((222, 210, 190), (146, 138, 126), 0.2),
    "dark facade": ((66, 72, 90), (14, 14, 22), 0.4),
}


def _outline(sign: Sign) -> np.ndarray:
    """Vertices, (corners, 2), scaled and shifted until they fit [-1, 1] x [-1, 1]."""
    angles = np.deg2rad(sign.turn) + 2 * np.pi * np.arange(sign.corners) / sign.corners
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    low, high = points.min(axis=0), points.max(axis=0)
    return (2 * points - low - high) / (high - low).max()


def _spline(path: Path) -> np.ndarray:
    """The quadratic spline of a path by corner cutting, its two ends kept: (many, 2)."""
    points = np.asarray(path, dtype=float)
    for _ in range(4):
        quarter = (points[1:] - points[:-1]) / 4
        cuts = np.stack([points[:-1] + quarter, points[1:] - quarter], axis=1)
        points = np.concatenate([points[:1], cuts.reshape(-1, 2), points[-1:]])
    return points


def _paint(sketch: np.ndarray, points: np.ndarray, ink: Colour, width: float, closed: bool) -> None:
    """Draw along the points with a round brush `width` wide; fill what a closed path holds."""
    import cv2

    pixels = np.rint((1 + MARGIN * points) * SKETCH / 2).astype(np.int32)
    if closed:
        cv2.fillPoly(sketch, [pixels], (*ink, 255))
    if width:
        cv2.polylines(sketch, [pixels], closed, (*ink, 255), round(width * MARGIN * SKETCH / 2))


@cache
def _template(name: str) -> np.ndarray:
    """The sign of that name head on: (PLATE, PLATE, 4) uint8, RGB premultiplied by alpha."""
    import cv2

    sign, sketch = SIGNS[name], np.zeros((SKETCH, SKETCH, 4), np.uint8)
    outline = _outline(sign)
    centre = outline.mean(axis=0)
    for ink, scale in sign.rings:
        brush = 0.1 * scale  # rounds the corners; the polygon gives way to it
        _paint(sketch, centre + (scale - brush / 2) * (outline - centre), ink, brush, True)
    for mark in sign.marks:
        points = _spline(mark.path) if mark.width else np.asarray(mark.path)
        _paint(sketch, points, mark.ink, mark.width, not mark.width)
    return cv2.resize(sketch, (PLATE, PLATE), interpolation=cv2.INTER_AREA)


def _noise(rng: np.random.Generator, rough: float) -> np.ndarray:
    """Smooth noise in [0, 1], (FRAME, FRAME); a larger `rough` adds finer detail."""
    import cv2

    total = np.zeros((FRAME, FRAME), np.float32)
    for octave, grid in enumerate((3, 7, 15, 31)):
        coarse = rng.random((grid, grid), np.float32) - 0.5
        total += rough**octave * cv2.resize(coarse, (FRAME, FRAME), interpolation=cv2.INTER_LINEAR)
    return np.clip(0.5 + total, 0, 1)


def _edge(rng: np.random.Generator, softness: float) -> np.ndarray:
    """A half plane at a random place and angle: 0 to 1 across its edge, (FRAME, FRAME)."""
    angle, offset = rng.uniform(0, 2 * np.pi), rng.uniform(-0.7, 0.7)
    axis = np.linspace(-1, 1, FRAME, dtype=np.float32)
    distance = np.cos(angle) * axis[None] + np.sin(angle) * axis[:, None] - offset
    return np.clip(0.5 + distance / softness, 0, 1, dtype=np.float32)


def _scene(name: str, rng: np.random.Generator) -> np.ndarray:
    *colours, rough = SCENES[name]
    lit, shaded = np.array(colours, np.float32)
    weight = _noise(rng, rough)[..., None]  # (FRAME, FRAME, 1)
    return weight * lit + (1 - weight) * shaded  # (FRAME, FRAME, 3)


def _background(rng: np.random.Generator) -> np.ndarray:
    """Two scenes that meet at an edge, up to three windows or boards, and often a post."""
    near, far = (_scene(list(SCENES)[i], rng) for i in rng.integers(len(SCENES), size=2))
    side = _edge(rng, 0.1)[..., None]
    view = side * near + (1 - side) * far
    for _ in range(rng.integers(4)):
        x, y, wide, high = rng.integers((0, 0, 4, 4), (FRAME, FRAME, 32, 32))
        view[y : y + high, x : x + wide] = rng.uniform(10, 240) * rng.uniform(0.8, 1, 3)
    x, wide = rng.integers((FRAME // 2 - 6, 0), (FRAME // 2 + 3, 7))
    view[FRAME // 2 :, x : x + wide] = rng.uniform(50, 170)
    return view


def _pose(view: np.ndarray, plate: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Put the sign into the view: size, turn, place, and a little perspective."""
    import cv2

    square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float32)
    angle, reach = rng.normal(0, 0.12), rng.uniform(0.6, 0.92)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    tilt = np.array([rng.uniform(0.82, 1.05), 1])  # a board seen from aside is narrower
    corners = reach * (square * tilt) @ turn + rng.normal(0, 0.05, 2) + rng.normal(0, 0.025, (4, 2))
    source, goal = (square + 1) * (PLATE / 2), (corners + 1) * (FRAME / 2)
    warp = cv2.getPerspectiveTransform(source, goal.astype(np.float32))
    board = cv2.warpPerspective(plate, warp, (FRAME, FRAME))  # (FRAME, FRAME, 4)
    faded = rng.uniform(0.75, 1) * board[..., :3].astype(np.float32)
    return faded + view * (1 - board[..., 3:] / np.float32(255))


def _occlude(view: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Now and then, leaves reach in from one side."""
    if rng.random() > 0.08:
        return view
    cover = _edge(rng, 0.9) * _noise(rng, 0.9) > 0.48
    return np.where(cover[..., None], _scene("leaves", rng), view)


def _light(view: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Exposure, colour cast, haze, and a shadow with a soft edge."""
    gain = np.exp(rng.uniform(np.log(0.3), np.log(1.5))) * rng.normal(1, 0.06, 3)  # per channel
    haze = rng.uniform(0, 60) * rng.random()
    shade = 1 - rng.uniform(0, 0.6) * _edge(rng, rng.uniform(0.05, 2))[..., None]
    return np.clip(view * (shade * gain.astype(np.float32)) + haze, 0, 255)


def _blur(view: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Defocus always, motion along a random line in every third picture."""
    import cv2

    view = cv2.GaussianBlur(view, (0, 0), rng.uniform(0.4, 2.6))
    if rng.random() > 1 / 3:
        return view
    kernel = np.zeros((11, 11), np.float32)
    reach = rng.integers(-5, 6, 2)
    cv2.line(kernel, (5 - reach).tolist(), (5 + reach).tolist(), 1.0)
    return cv2.filter2D(view, -1, kernel / kernel.sum())


def _sensor(view: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Area average down to (SIDE, SIDE, 3) uint8, with noise."""
    import cv2

    pixels = cv2.resize(view, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    noise = rng.uniform(1, 8) * rng.standard_normal(pixels.shape, np.float32)
    return np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)


def _picture(name: str, rng: np.random.Generator) -> np.ndarray:
    view = _pose(_background(rng), _template(name), rng)
    for step in (_occlude, _light, _blur, _sensor):
        view = step(view, rng)
    return view


def draw(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw `n` pictures of signs, in random order, with class counts that differ by one at most.

    n: at least 1.  seed: a non-negative integer; the same `n` and `seed` give the same bytes.
    Returns images, (n, 32, 32, 3) uint8 in [0, 255], RGB, and labels, (n,) int64, which index
    `CLASSES`.  Raises ValueError where `n` is below 1 or `seed` is negative.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}: ask for a positive number of pictures")
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n, dtype=np.int64) % len(CLASSES))
    images = np.stack([_picture(CLASSES[label], rng) for label in labels])
    return images, labels
