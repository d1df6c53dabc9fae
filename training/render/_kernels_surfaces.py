"""Kernels for meshes with many materials: textures, cut-outs, see-through layers, sphere maps.

Opaque and cut-out surfaces fill the depth buffer and are shaded where they are seen; see-through
ones are then laid over them in order. All kernels are serial and release the GIL.
"""

import math

import numpy as np
from numba import njit

_OPTIONS = {"cache": True, "nogil": True, "fastmath": False}


@njit("void(f4[:,::1], i4[:,::1], i4[::1], f4[:,::1], f4[:,::1])", **_OPTIONS)
def welded_normals(vertices, triangles, weld, total, out):
    """Unit normals (V, 3) of a surface whose vertices with one `weld` number are one point.

    `total` (W, 3) is scratch. Outlines need these: where a hard edge splits the shading normals,
    a hull along them would tear.
    """
    total[:] = np.float32(0.0)
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ux = vertices[b, 0] - vertices[a, 0]
        uy = vertices[b, 1] - vertices[a, 1]
        uz = vertices[b, 2] - vertices[a, 2]
        wx = vertices[c, 0] - vertices[a, 0]
        wy = vertices[c, 1] - vertices[a, 1]
        wz = vertices[c, 2] - vertices[a, 2]
        x = uy * wz - uz * wy
        y = uz * wx - ux * wz
        z = ux * wy - uy * wx
        for k in range(3):
            w = weld[triangles[t, k]]
            total[w, 0] += x
            total[w, 1] += y
            total[w, 2] += z
    for v in range(vertices.shape[0]):
        w = weld[v]
        length = math.sqrt(total[w, 0] ** 2 + total[w, 1] ** 2 + total[w, 2] ** 2)
        if length > 1e-20:
            for k in range(3):
                out[v, k] = np.float32(total[w, k] / length)
        else:
            out[v] = np.float32(0.0)


@njit("i8(i8, i8, i4)", inline="always", **_OPTIONS)
def _wrapped(index, size, wrap):
    """A texel's row or column: 0 repeats, 1 clamps, 2 mirrors."""
    if 0 <= index < size:  # nearly always, and divisions are slow
        return index
    if wrap == 1:
        return min(max(index, 0), size - 1)
    if wrap == 2:
        index = index % (2 * size)
        return index if index < size else 2 * size - 1 - index
    return index % size


@njit("void(u1[:,::1], i4[::1], i4[::1], f4, f4, f4[::1])", inline="always", **_OPTIONS)
def sample(texels, view, wrap, u, v, out):
    """Bilinear RGBA in [0, 1]; `view` is (offset, width, height) of one texture in `texels`."""
    one = np.float32(1.0)
    width, height = view[1], view[2]
    # Whole turns first: a far coordinate would overflow the integers below. NaN becomes 0.
    if not (abs(u) < np.float32(1e4)):
        u = np.float32(0.0)
    if not (abs(v) < np.float32(1e4)):
        v = np.float32(0.0)
    x = u * np.float32(width) - np.float32(0.5)
    y = v * np.float32(height) - np.float32(0.5)
    floor_x = np.float32(math.floor(x))
    floor_y = np.float32(math.floor(y))
    fx = x - floor_x
    fy = y - floor_y
    x0 = _wrapped(int(floor_x), width, wrap[0])
    x1 = _wrapped(int(floor_x) + 1, width, wrap[0])
    y0 = _wrapped(int(floor_y), height, wrap[1])
    y1 = _wrapped(int(floor_y) + 1, height, wrap[1])
    top, low = view[0] + y0 * width, view[0] + y1 * width
    scale = np.float32(1.0 / 255.0)
    for k in range(4):
        upper = np.float32(texels[top + x0, k]) * (one - fx) + np.float32(texels[top + x1, k]) * fx
        lower = np.float32(texels[low + x0, k]) * (one - fx) + np.float32(texels[low + x1, k]) * fx
        out[k] = (upper * (one - fy) + lower * fy) * scale


@njit("void(f4[:,::1], i4[::1], i8, i8, f4[::1])", inline="always", **_OPTIONS)
def _perspective(points, corners, x, y, out):
    """Weights (3,) of a triangle's corners at a sample, in the plane of the triangle."""
    half = np.float32(0.5)
    px = np.float32(x) + half
    py = np.float32(y) + half
    ax = points[corners[0], 0] - px
    ay = points[corners[0], 1] - py
    bx = points[corners[1], 0] - px
    by = points[corners[1], 1] - py
    cx = points[corners[2], 0] - px
    cy = points[corners[2], 1] - py
    out[0] = (bx * cy - by * cx) * points[corners[0], 2]
    out[1] = (cx * ay - cy * ax) * points[corners[1], 2]
    out[2] = (ax * by - ay * bx) * points[corners[2], 2]
    total = out[0] + out[1] + out[2]
    if total == np.float32(0.0):
        out[0] = np.float32(1.0)
        out[1] = np.float32(0.0)
        out[2] = np.float32(0.0)
    else:
        out[0] /= total
        out[1] /= total
        out[2] /= total


@njit("f4(f4[:,::1], i4[::1])", inline="always", **_OPTIONS)
def _area(points, corners):
    """Twice the signed area on the screen; negative for a face that looks at the camera."""
    a, b, c = corners[0], corners[1], corners[2]
    return (points[b, 0] - points[a, 0]) * (points[c, 1] - points[a, 1]) - (
        points[b, 1] - points[a, 1]
    ) * (points[c, 0] - points[a, 0])


@njit("void(f4[:,::1], i4[::1], i8, i8, i8[::1])", inline="always", **_OPTIONS)
def _bounds(points, corners, width, height, box):
    """x0, x1, y0, y1 of the samples that a triangle may cover; empty for broken numbers."""
    low_x = min(points[corners[0], 0], points[corners[1], 0], points[corners[2], 0])
    high_x = max(points[corners[0], 0], points[corners[1], 0], points[corners[2], 0])
    low_y = min(points[corners[0], 1], points[corners[1], 1], points[corners[2], 1])
    high_y = max(points[corners[0], 1], points[corners[1], 1], points[corners[2], 1])
    if not (high_x >= 0.0 and high_y >= 0.0 and low_x <= width and low_y <= height):
        box[0], box[1], box[2], box[3] = 0, -1, 0, -1
        return
    box[0] = math.floor(max(low_x, np.float32(0.0)))
    box[1] = math.floor(min(high_x, np.float32(width - 1)))
    box[2] = math.floor(max(low_y, np.float32(0.0)))
    box[3] = math.floor(min(high_y, np.float32(height - 1)))


@njit("f4(f4[:,::1], i4[::1], f4, i8, i8)", inline="always", **_OPTIONS)
def _depth_at(points, corners, area, x, y):
    """1 / depth of a triangle at a sample, 0 outside of it."""
    half = np.float32(0.5)
    zero = np.float32(0.0)
    px = np.float32(x) + half
    py = np.float32(y) + half
    ax, ay, az = points[corners[0], 0], points[corners[0], 1], points[corners[0], 2]
    bx, by, bz = points[corners[1], 0], points[corners[1], 1], points[corners[1], 2]
    cx, cy, cz = points[corners[2], 0], points[corners[2], 1], points[corners[2], 2]
    wa = (bx - px) * (cy - py) - (by - py) * (cx - px)
    wb = (cx - px) * (ay - py) - (cy - py) * (ax - px)
    wc = (ax - px) * (by - py) - (ay - py) * (bx - px)
    if (wa >= zero and wb >= zero and wc >= zero) or (wa <= zero and wb <= zero and wc <= zero):
        return (wa * az + wb * bz + wc * cz) / area
    return zero


@njit(
    "void(f4[:,::1], f4[:,::1], f4[::1], i4[:,::1], i4[::1], i4[::1], b1[::1], f4[::1], f4[::1],"
    " i4[::1], i4[:,::1], i4[:,::1], u1[:,::1], f4[:,::1], f4[:,::1], i4[:,::1])",
    **_OPTIONS,
)
def fill(
    screen, hull, outline, triangles, material, mode, double, alpha, cutoff,
    base, views, wraps, texels, uv, depth, labels,
):  # fmt: skip
    """Rasterise opaque (mode 0) and cut-out (1) faces as label t, and outlines as label T + t.

    The outline of a cut-out or see-through (2) material keeps to where its texture is. `depth`
    (H, W) holds 1 / depth and must start at 0, `labels` at -1.
    """
    count = triangles.shape[0]
    height, width = depth.shape
    tiny = np.float32(1e-6)
    zero = np.float32(0.0)
    half = np.float32(0.5)
    box = np.empty(4, np.int64)
    weights = np.empty(3, np.float32)
    texel = np.empty(4, np.float32)
    for t in range(count):
        m = material[t]
        corners = triangles[t]
        a, b, c = corners[0], corners[1], corners[2]
        for layer in range(2):
            if layer == 0:
                if mode[m] == 2:
                    continue
                points = screen
                area = _area(screen, corners)
                if not (area < -tiny or (double[m] and area > tiny)):
                    continue
                label = t
            else:
                if not (outline[a] > 0.0 or outline[b] > 0.0 or outline[c] > 0.0):
                    continue
                points = hull
                area = _area(hull, corners)
                if not area > tiny:
                    continue
                label = count + t
            _bounds(points, corners, width, height, box)
            inverse = np.float32(1.0) / area
            ax, ay, az = points[a, 0], points[a, 1], points[a, 2]
            bx, by, bz = points[b, 0], points[b, 1], points[b, 2]
            cx, cy, cz = points[c, 0], points[c, 1], points[c, 2]
            tested = mode[m] != 0 and base[m] >= 0
            for y in range(box[2], box[3] + 1):
                py = np.float32(y) + half
                for x in range(box[0], box[1] + 1):
                    px = np.float32(x) + half
                    wa = (bx - px) * (cy - py) - (by - py) * (cx - px)
                    wb = (cx - px) * (ay - py) - (cy - py) * (ax - px)
                    wc = (ax - px) * (by - py) - (ay - py) * (bx - px)
                    if not (
                        (wa >= zero and wb >= zero and wc >= zero)
                        or (wa <= zero and wb <= zero and wc <= zero)
                    ):
                        continue
                    z = (wa * az + wb * bz + wc * cz) * inverse
                    if z > depth[y, x]:
                        if tested:
                            _perspective(points, corners, x, y, weights)
                            wa, wb, wc = weights[0], weights[1], weights[2]
                            u = wa * uv[a, 0] + wb * uv[b, 0] + wc * uv[c, 0]
                            v = wa * uv[a, 1] + wb * uv[b, 1] + wc * uv[c, 1]
                            sample(texels, views[m], wraps[base[m]], u, v, texel)
                            if texel[3] * alpha[m] < cutoff[m]:
                                continue
                        depth[y, x] = z
                        labels[y, x] = label


@njit(
    "void(i8, i8, b1, f4[:,::1], i4[::1], f4[:,::1], f4[:,::1], f4[::1], f4[:,::1], i4, i4[::1],"
    " i4[::1], i4[::1], i4[:,::1], i4[:,::1], i4[:,::1], u1[:,::1], f4[:,:,::1], f4[:,::1],"
    " f4[::1], f4[::1], f4[::1], f4[::1], f4[::1])",
    **_OPTIONS,
)
def _shade(
    x, y, back, points, corners, normals, tint, bias, uv, m, base, sphere, sphere_mode,
    views, sphere_views, wraps, texels, ramp, emission, alpha, light, weights, texel, out,
):  # fmt: skip
    """Colour and alpha (4,) of one sample of a face, not premultiplied."""
    a, b, c = corners[0], corners[1], corners[2]
    zero = np.float32(0.0)
    one = np.float32(1.0)
    half = np.float32(0.5)
    _perspective(points, corners, x, y, weights)
    wa, wb, wc = weights[0], weights[1], weights[2]
    nx = wa * normals[a, 0] + wb * normals[b, 0] + wc * normals[c, 0]
    ny = wa * normals[a, 1] + wb * normals[b, 1] + wc * normals[c, 1]
    nz = wa * normals[a, 2] + wb * normals[b, 2] + wc * normals[c, 2]
    length = math.sqrt(nx * nx + ny * ny + nz * nz)
    if length > zero:
        nx /= length
        ny /= length
        nz /= length
    if back:
        nx = -nx
        ny = -ny
        nz = -nz
    value = nx * light[0] + ny * light[1] + nz * light[2]
    value += wa * bias[a] + wb * bias[b] + wc * bias[c]
    place = (value * half + half) * np.float32(ramp.shape[1] - 1)
    if not place > zero:
        place = zero
    place = min(place, np.float32(ramp.shape[1] - 1))
    low = int(place)
    high = min(low + 1, ramp.shape[1] - 1)
    part = place - np.float32(low)
    for k in range(3):
        shade = ramp[m, low, k] * (one - part) + ramp[m, high, k] * part
        out[k] = (wa * tint[a, k] + wb * tint[b, k] + wc * tint[c, k]) * shade
    out[3] = alpha[m]
    if base[m] >= 0:
        u = wa * uv[a, 0] + wb * uv[b, 0] + wc * uv[c, 0]
        v = wa * uv[a, 1] + wb * uv[b, 1] + wc * uv[c, 1]
        sample(texels, views[m], wraps[base[m]], u, v, texel)
        for k in range(4):
            out[k] *= texel[k]
    if sphere[m] >= 0:
        # The sphere's picture is what a mirror ball shows: looked up by the normal on the screen.
        sample(
            texels, sphere_views[m], wraps[sphere[m]],
            np.float32(nx * half + half), np.float32(half - ny * half), texel,
        )  # fmt: skip
        for k in range(3):
            if sphere_mode[m] == 1:
                out[k] *= texel[k]
            else:
                out[k] += texel[k]
    for k in range(3):
        out[k] = min(max(out[k] + emission[m, k], zero), one)


@njit(
    "void(i4[:,::1], f4[:,::1], f4[:,::1], i4[:,::1], i4[::1], f4[:,::1], f4[:,::1], f4[:,::1],"
    " f4[::1], f4[:,::1], i4[::1], i4[::1], i4[::1], i4[:,::1], i4[:,::1], i4[:,::1],"
    " u1[:,::1], f4[:,:,::1], f4[:,::1], f4[::1], f4[::1], f4[:,:,::1])",
    **_OPTIONS,
)
def shade_seen(
    labels, screen, hull, triangles, material, normals, tint, ink, bias, uv, base, sphere,
    sphere_mode, views, sphere_views, wraps, texels, ramp, emission, alpha, light, colours,
):  # fmt: skip
    """Shade what `fill` left visible into `colours` (H, W, 4), premultiplied; 0 elsewhere."""
    count = triangles.shape[0]
    weights = np.empty(3, np.float32)
    texel = np.empty(4, np.float32)
    out = np.empty(4, np.float32)
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            label = labels[y, x]
            if label < 0:
                continue
            if label >= count:
                corners = triangles[label - count]
                _perspective(hull, corners, x, y, weights)
                for k in range(3):
                    colours[y, x, k] = (
                        weights[0] * ink[corners[0], k]
                        + weights[1] * ink[corners[1], k]
                        + weights[2] * ink[corners[2], k]
                    )
            else:
                corners = triangles[label]
                back = _area(screen, corners) > np.float32(0.0)
                _shade(
                    x, y, back, screen, corners, normals, tint, bias, uv, material[label], base,
                    sphere, sphere_mode, views, sphere_views, wraps, texels, ramp, emission, alpha,
                    light, weights, texel, out,
                )  # fmt: skip
                for k in range(3):
                    colours[y, x, k] = out[k]
            colours[y, x, 3] = np.float32(1.0)


@njit(
    "void(i8[::1], f4[:,::1], i4[:,::1], i4[::1], f4[:,::1], f4[:,::1], f4[::1], f4[:,::1],"
    " b1[::1], i4[::1], i4[::1], i4[::1], i4[:,::1], i4[:,::1], i4[:,::1], u1[:,::1],"
    " f4[:,:,::1], f4[:,::1], f4[::1], f4[::1], f4[:,::1], i4[:,::1], f4[:,:,::1])",
    **_OPTIONS,
)
def blend(
    order, screen, triangles, material, normals, tint, bias, uv, double, base, sphere, sphere_mode,
    views, sphere_views, wraps, texels, ramp, emission, alpha, light, depth, labels, colours,
):  # fmt: skip
    """Lay the see-through triangles of `order` over `colours`, where nothing is nearer.

    A sample more than half covered hides what comes later behind it, as it does in MikuMikuDance,
    and its label is the triangle's.
    """
    height, width = depth.shape
    tiny = np.float32(1e-6)
    slack = np.float32(1.0 + 1.5e-4)  # painted on the skin: the same surface, other triangles
    one = np.float32(1.0)
    box = np.empty(4, np.int64)
    weights = np.empty(3, np.float32)
    texel = np.empty(4, np.float32)
    out = np.empty(4, np.float32)
    for i in range(order.shape[0]):
        t = order[i]
        m = material[t]
        corners = triangles[t]
        area = _area(screen, corners)
        if not (area < -tiny or (double[m] and area > tiny)):
            continue
        _bounds(screen, corners, width, height, box)
        for y in range(box[2], box[3] + 1):
            for x in range(box[0], box[1] + 1):
                z = _depth_at(screen, corners, area, x, y)
                if z == np.float32(0.0) or z * slack < depth[y, x]:
                    continue
                _shade(
                    x, y, area > np.float32(0.0), screen, corners, normals, tint, bias, uv, m,
                    base, sphere, sphere_mode, views, sphere_views, wraps, texels, ramp, emission,
                    alpha, light, weights, texel, out,
                )  # fmt: skip
                cover = min(max(out[3], np.float32(0.0)), one)
                if cover <= np.float32(0.004):
                    continue
                for k in range(3):
                    colours[y, x, k] = out[k] * cover + colours[y, x, k] * (one - cover)
                colours[y, x, 3] = cover + colours[y, x, 3] * (one - cover)
                if cover > np.float32(0.5):
                    depth[y, x] = max(z, depth[y, x])
                    labels[y, x] = t


@njit("void(f4[:,:,::1], i4, u1[:,:,::1])", **_OPTIONS)
def resolve(colours, supersample, out):
    """Average the samples of each pixel into `out` (S, S, 4), premultiplied."""
    n = supersample
    to_byte = np.float32(255.0 / (n * n))
    half = np.float32(0.5)
    total = np.empty(4, np.float32)
    for oy in range(out.shape[0]):
        for ox in range(out.shape[1]):
            total[:] = np.float32(0.0)
            for y in range(oy * n, oy * n + n):
                for x in range(ox * n, ox * n + n):
                    for k in range(4):
                        total[k] += colours[y, x, k]
            cover = min(int(total[3] * to_byte + half), 255)
            out[oy, ox, 3] = cover
            for k in range(3):
                out[oy, ox, k] = min(int(total[k] * to_byte + half), cover)
