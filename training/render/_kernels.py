"""Kernels of the rasteriser: project, fill the depth and triangle buffers, then shade what is seen.

Shading is deferred: `fill` only decides which triangle each sample sees, so the toon shader and the
texture run once per visible sample. All kernels are serial and release the GIL.
"""

import math

import numpy as np
from numba import njit

_OPTIONS = {"cache": True, "nogil": True, "fastmath": False}


@njit(
    "void(f4[:,::1], f4[:,::1], f4[::1], f4, f4, f4, f4, f4, f4, f4, f4, f4, f4[:,::1], f4[:,::1])",
    **_OPTIONS,
)
def project_vertices(
    vertices, normals, outline, tx, ty, tz, distance, scale, cx, cy, width, push, screen, hull
):
    """Project vertices (V, 3), and their outline hull, to (V, 3): x px, y px, 1 / depth.

    The camera looks along -z from `distance` in front of the target (tx, ty, tz), which falls on
    (cx, cy); `scale` is px per unit at the target. The hull is the vertex moved along its normal by
    `width` px times its own `outline`, and away from the camera by `push` units.
    """
    for i in range(vertices.shape[0]):
        x = vertices[i, 0] - tx
        y = vertices[i, 1] - ty
        depth = distance - (vertices[i, 2] - tz)
        if depth < 0.05 * distance:
            depth = 0.05 * distance
        k = scale * distance / depth
        screen[i, 0] = cx + k * x
        screen[i, 1] = cy - k * y
        screen[i, 2] = 1.0 / depth
        hull[i, 0] = screen[i, 0]
        hull[i, 1] = screen[i, 1]
        hull[i, 2] = screen[i, 2]
        if outline[i] > 0.0:
            nx = normals[i, 0]
            ny = normals[i, 1]
            reach = outline[i] * width
            hull[i, 0] += nx * reach
            hull[i, 1] -= ny * reach
            hull[i, 2] = 1.0 / (depth + push)


@njit("void(f4[:,::1], i4[::1], i4, f4[:,::1], i4[:,::1])", inline="always", **_OPTIONS)
def _fill_one(points, corners, label, depth, label_buffer):
    """Draw one triangle where it is the nearest so far, its 1 / depth the greatest."""
    height, width = depth.shape
    ax = points[corners[0], 0]
    ay = points[corners[0], 1]
    bx = points[corners[1], 0]
    by = points[corners[1], 1]
    cx = points[corners[2], 0]
    cy = points[corners[2], 1]
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    x0 = max(0, math.floor(min(ax, bx, cx)))
    x1 = min(width - 1, math.floor(max(ax, bx, cx)))
    y0 = max(0, math.floor(min(ay, by, cy)))
    y1 = min(height - 1, math.floor(max(ay, by, cy)))
    if x0 > x1 or y0 > y1:
        return
    inverse = np.float32(1.0) / area
    az = points[corners[0], 2]
    bz = points[corners[1], 2]
    cz = points[corners[2], 2]
    half = np.float32(0.5)
    zero = np.float32(0.0)
    for y in range(y0, y1 + 1):
        py = np.float32(y) + half
        for x in range(x0, x1 + 1):
            px = np.float32(x) + half
            wa = (bx - px) * (cy - py) - (by - py) * (cx - px)
            wb = (cx - px) * (ay - py) - (cy - py) * (ax - px)
            wc = (ax - px) * (by - py) - (ay - py) * (bx - px)
            if (wa >= zero and wb >= zero and wc >= zero) or (
                wa <= zero and wb <= zero and wc <= zero
            ):
                z = (wa * az + wb * bz + wc * cz) * inverse
                if z > depth[y, x]:
                    depth[y, x] = z
                    label_buffer[y, x] = label


@njit("void(f4[:,::1], f4[:,::1], f4[::1], i4[:,::1], f4[:,::1], i4[:,::1])", **_OPTIONS)
def fill(screen, hull, outline, triangles, depth, label_buffer):
    """Rasterise front faces as label t and the hull's back faces (the outline) as label T + t.

    `depth` (H, W) holds 1 / depth and must start at 0, `label_buffer` (H, W) at -1.
    """
    count = triangles.shape[0]
    tiny = np.float32(1e-6)
    for t in range(count):
        a = triangles[t, 0]
        b = triangles[t, 1]
        c = triangles[t, 2]
        # y points down on the screen, so a face that is counter-clockwise for its own normal has a
        # negative signed area here when it faces the camera.
        area = (screen[b, 0] - screen[a, 0]) * (screen[c, 1] - screen[a, 1]) - (
            screen[b, 1] - screen[a, 1]
        ) * (screen[c, 0] - screen[a, 0])
        if area < -tiny:
            _fill_one(screen, triangles[t], np.int32(t), depth, label_buffer)
        if outline[a] > 0.0 or outline[b] > 0.0 or outline[c] > 0.0:
            area = (hull[b, 0] - hull[a, 0]) * (hull[c, 1] - hull[a, 1]) - (
                hull[b, 1] - hull[a, 1]
            ) * (hull[c, 0] - hull[a, 0])
            if area > tiny:
                _fill_one(hull, triangles[t], np.int32(count + t), depth, label_buffer)


@njit("void(u1[:,:,::1], f4, f4, f4[::1])", inline="always", **_OPTIONS)
def _sample(texture, u, v, texel):
    """Bilinear RGBA in [0, 1] at (u, v) in [0, 1], v down, clamped at the border; NaN is 0."""
    height, width = texture.shape[0], texture.shape[1]
    x = u * np.float32(width) - np.float32(0.5)
    y = v * np.float32(height) - np.float32(0.5)
    x = min(x, np.float32(width - 1)) if x > np.float32(0.0) else np.float32(0.0)
    y = min(y, np.float32(height - 1)) if y > np.float32(0.0) else np.float32(0.0)
    x0 = int(x)
    y0 = int(y)
    x1 = min(x0 + 1, width - 1)
    y1 = min(y0 + 1, height - 1)
    fx = x - np.float32(x0)
    fy = y - np.float32(y0)
    one = np.float32(1.0)
    scale = np.float32(1.0 / 255.0)
    for k in range(4):
        top = np.float32(texture[y0, x0, k]) * (one - fx) + np.float32(texture[y0, x1, k]) * fx
        low = np.float32(texture[y1, x0, k]) * (one - fx) + np.float32(texture[y1, x1, k]) * fx
        texel[k] = (top * (one - fy) + low * fy) * scale


@njit(
    "void(i4[:,::1], f4[:,::1], f4[:,::1], i4[:,::1], f4[:,::1], f4[:,::1], f4[:,::1], f4[:,::1],"
    " f4[::1], f4[:,::1], b1[::1], u1[:,:,::1], f4[::1], f4, f4, i4, u1[:,:,::1])",
    **_OPTIONS,
)
def shade_and_resolve(
    label_buffer, screen, hull, triangles, normals, lit, shade, ink, bias, uv, textured,
    texture, light, threshold, softness, supersample, out,
):  # fmt: skip
    """Toon-shade every seen sample and average the samples into `out` (S, S, 4), premultiplied.

    A sample is `lit` or `shade` coloured as N.L + bias is above or below `threshold`, mixed over
    +- `softness`. `texture` is straight-alpha RGBA laid over the lit colour; its shade colour is
    the texel times the ratio of the vertex's shade to its lit colour. Outline samples are `ink`.
    """
    count = triangles.shape[0]
    size_y, size_x = out.shape[0], out.shape[1]
    n = supersample
    texel = np.zeros(4, np.float32)
    zero = np.float32(0.0)
    half = np.float32(0.5)
    one = np.float32(1.0)
    to_byte = np.float32(255.0 / (n * n))
    for oy in range(size_y):
        for ox in range(size_x):
            red = zero
            green = zero
            blue = zero
            covered = 0
            for y in range(oy * n, oy * n + n):
                for x in range(ox * n, ox * n + n):
                    label = label_buffer[y, x]
                    if label < 0:
                        continue
                    covered += 1
                    is_hull = label >= count
                    t = label - count if is_hull else label
                    a = triangles[t, 0]
                    b = triangles[t, 1]
                    c = triangles[t, 2]
                    points = hull if is_hull else screen
                    px = np.float32(x) + half
                    py = np.float32(y) + half
                    ax = points[a, 0] - px
                    ay = points[a, 1] - py
                    bx = points[b, 0] - px
                    by = points[b, 1] - py
                    cx = points[c, 0] - px
                    cy = points[c, 1] - py
                    # Perspective-correct: weights in the plane of the triangle, not of the screen.
                    wa = (bx * cy - by * cx) * points[a, 2]
                    wb = (cx * ay - cy * ax) * points[b, 2]
                    wc = (ax * by - ay * bx) * points[c, 2]
                    total = wa + wb + wc
                    if total == zero:
                        wa = one
                        wb = zero
                        wc = zero
                    else:
                        wa /= total
                        wb /= total
                        wc /= total
                    if is_hull:
                        red += wa * ink[a, 0] + wb * ink[b, 0] + wc * ink[c, 0]
                        green += wa * ink[a, 1] + wb * ink[b, 1] + wc * ink[c, 1]
                        blue += wa * ink[a, 2] + wb * ink[b, 2] + wc * ink[c, 2]
                        continue
                    nx = wa * normals[a, 0] + wb * normals[b, 0] + wc * normals[c, 0]
                    ny = wa * normals[a, 1] + wb * normals[b, 1] + wc * normals[c, 1]
                    nz = wa * normals[a, 2] + wb * normals[b, 2] + wc * normals[c, 2]
                    length = math.sqrt(nx * nx + ny * ny + nz * nz)
                    value = wa * bias[a] + wb * bias[b] + wc * bias[c]
                    if length > zero:
                        value += (nx * light[0] + ny * light[1] + nz * light[2]) / length
                    mix = (value - threshold) / (softness + softness) + half
                    mix = min(max(mix, zero), one)
                    mix = mix * mix * (np.float32(3.0) - np.float32(2.0) * mix)
                    alpha = zero
                    if textured[t]:
                        u = wa * uv[a, 0] + wb * uv[b, 0] + wc * uv[c, 0]
                        v = wa * uv[a, 1] + wb * uv[b, 1] + wc * uv[c, 1]
                        _sample(texture, u, v, texel)
                        alpha = texel[3]
                    for k in range(3):
                        bright = wa * lit[a, k] + wb * lit[b, k] + wc * lit[c, k]
                        dark = wa * shade[a, k] + wb * shade[b, k] + wc * shade[c, k]
                        if alpha > zero:
                            ratio = min(one, dark / max(bright, np.float32(0.01)))
                            bright += (texel[k] - bright) * alpha
                            dark += (texel[k] * ratio - dark) * alpha
                        colour = dark + (bright - dark) * mix
                        colour = min(max(colour, zero), one)
                        if k == 0:
                            red += colour
                        elif k == 1:
                            green += colour
                        else:
                            blue += colour
            if covered > 0:
                alpha_byte = int(np.float32(covered) * to_byte + half)
                out[oy, ox, 0] = min(int(red * to_byte + half), alpha_byte)
                out[oy, ox, 1] = min(int(green * to_byte + half), alpha_byte)
                out[oy, ox, 2] = min(int(blue * to_byte + half), alpha_byte)
                out[oy, ox, 3] = alpha_byte
            else:
                out[oy, ox, 0] = 0
                out[oy, ox, 1] = 0
                out[oy, ox, 2] = 0
                out[oy, ox, 3] = 0
