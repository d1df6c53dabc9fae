"""Whatever picture a user gives: read, or refused with words that say what to do."""

import contextlib
import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from engine.enrol.reading import LONGEST_PX, read_picture
from engine.errors import BadPicture
from tests.drawings import png_of

RGBA = (200, 100, 50, 255)


def doll(size_wh=(120, 160), mode="RGBA") -> Image.Image:
    """A coloured rectangle on nothing."""
    picture = Image.new("RGBA", size_wh, (0, 0, 0, 0))
    w, h = size_wh
    picture.paste(RGBA, (w // 4, h // 8, 3 * w // 4, h))
    return picture.convert(mode)


def saved(tmp_path, picture: Image.Image, name: str, **options):
    path = tmp_path / name
    picture.save(path, **options)
    return path


@pytest.mark.parametrize(
    ("mode", "name"),
    [
        ("RGBA", "a.png"), ("RGB", "a.png"), ("P", "a.png"), ("LA", "a.png"), ("L", "a.png"),
        ("1", "a.png"), ("RGB", "a.jpg"), ("L", "a.jpg"), ("CMYK", "a.jpg"), ("RGBA", "a.webp"),
        ("P", "a.gif"), ("RGBA", "a.tiff"), ("CMYK", "a.tiff"), ("LAB", "a.tiff"), ("RGB", "a.bmp"),
        ("RGBA", "a.avif"), ("PA", "pa.png"),
    ],
)  # fmt: skip
def test_every_usual_kind_is_read(tmp_path, mode, name):
    source = doll()
    if mode == "LAB":
        picture = Image.new("LAB", (120, 160), (120, 128, 128))
    elif mode == "PA":
        picture = doll(mode="P").convert("PA").convert("LA")
    else:
        picture = source.convert("RGB").convert(mode) if mode == "CMYK" else source.convert(mode)
    read = read_picture(saved(tmp_path, picture, name))
    assert read.pixels.shape == (160, 120, 4)
    assert read.pixels.dtype == np.uint8
    assert (read.pixels[..., :3] <= read.pixels[..., 3:]).all()
    assert read.size_wh == (120, 160)


def test_colours_are_premultiplied_and_right(tmp_path):
    picture = Image.new("RGBA", (80, 80), (200, 100, 50, 128))
    pixel = read_picture(saved(tmp_path, picture, "half.png")).pixels[40, 40]
    np.testing.assert_allclose(pixel, [100, 50, 25, 128], atol=1)


def test_a_grey_cmyk_jpeg_keeps_its_brightness(tmp_path):
    picture = Image.new("RGB", (100, 100), (180, 180, 180)).convert("CMYK")
    read = read_picture(saved(tmp_path, picture, "print.jpg", quality=95))
    np.testing.assert_allclose(read.pixels[50, 50, :3], 180, atol=6)
    assert "CMYK" in read.notes[0]


@pytest.mark.parametrize("name", ["deep.png", "deep.tiff"])
def test_16_bits_are_reduced_to_8_and_said(tmp_path, name):
    values = np.full((100, 90), 0x8000, np.uint16)
    read = read_picture(saved(tmp_path, Image.fromarray(values), name))
    assert abs(int(read.pixels[50, 40, 0]) - 128) <= 1
    assert "16" in read.notes[0]


def test_floats_are_scaled_and_nan_is_black(tmp_path):
    values = np.full((100, 90), 0.5, np.float32)
    values[0, 0] = np.nan
    read = read_picture(saved(tmp_path, Image.fromarray(values), "f.tiff"))
    assert abs(int(read.pixels[50, 40, 0]) - 128) <= 1
    assert read.pixels[0, 0, 0] == 0


@pytest.mark.parametrize("name", ["moving.gif", "moving.webp", "moving.png"])
def test_the_first_picture_of_an_animation_is_used_and_said(tmp_path, name):
    first, second = Image.new("RGB", (100, 120), "red"), Image.new("RGB", (100, 120), "blue")
    path = saved(tmp_path, first, name, save_all=True, append_images=[second])
    read = read_picture(path)
    assert "2 pictures" in read.notes[0]
    assert read.pixels[60, 50, 0] > 200
    assert read.pixels[60, 50, 2] < 60


def test_exif_rotation_is_undone(tmp_path):
    picture = Image.new("RGB", (160, 100), "white")
    picture.paste((255, 0, 0), (0, 0, 80, 100))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    read = read_picture(saved(tmp_path, picture, "turned.jpg", exif=exif, quality=95))
    assert read.size_wh == (100, 160)
    assert read.pixels[10, 50, 1] < 60  # red is above
    assert read.pixels[150, 50, 1] > 200


@pytest.mark.parametrize("way", range(1, 9))
def test_every_exif_rotation_is_as_pillow_has_it(tmp_path, way):
    values = np.random.default_rng(0).integers(0, 256, (10, 8, 3), dtype=np.uint8)
    picture = Image.fromarray(values).resize((80, 100), Image.Resampling.NEAREST)
    exif = Image.Exif()
    exif[0x0112] = way
    path = saved(tmp_path, picture, "turned.png", exif=exif)
    with Image.open(path) as same:
        expected = np.asarray(ImageOps.exif_transpose(same))
    read = read_picture(path)
    np.testing.assert_array_equal(read.pixels[..., :3], expected)
    assert read.size_wh == expected.shape[1::-1]


def test_damaged_exif_is_passed_over(tmp_path):
    picture = doll(mode="RGB")
    path = saved(tmp_path, picture, "odd.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert read_picture(path).pixels.shape == (160, 120, 4)


def test_a_large_picture_is_reduced(tmp_path):
    path = saved(tmp_path, doll((3000, 2000)), "large.png")
    read = read_picture(path)
    assert max(read.pixels.shape[:2]) == LONGEST_PX
    assert read.size_wh == (3000, 2000)
    assert "reduced" in read.notes[-1]


def test_a_20000_pixel_jpeg_is_reduced_while_it_is_decoded(tmp_path):
    Image.new("L", (20_000, 9_000), 200).save(tmp_path / "huge.jpg", quality=30)
    read = read_picture(tmp_path / "huge.jpg")
    assert read.size_wh == (20_000, 9_000)
    assert max(read.pixels.shape[:2]) <= LONGEST_PX
    assert "20000" in read.notes[-1]


def test_a_20000_pixel_png_is_refused_by_its_header(tmp_path):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_of(20_000, 20_000))
    with pytest.raises(BadPicture, match=r"has over 50 megapixels: reduce it to 1280 pixels"):
        read_picture(path)


@pytest.mark.parametrize(
    ("size_wh", "words"),
    [((16, 16), "too small"), ((63, 10), "too small"), ((4000, 20), "too narrow")],
)
def test_pictures_without_room_for_a_figure_are_refused(tmp_path, size_wh, words):
    with pytest.raises(BadPicture, match=words):
        read_picture(saved(tmp_path, doll(size_wh), "small.png"))


def _jpeg() -> bytes:
    buffer = io.BytesIO()
    doll((400, 400), "RGB").save(buffer, "JPEG")
    return buffer.getvalue()


def _whole_png() -> bytes:
    buffer = io.BytesIO()
    doll((400, 400)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"just some words", "not a picture"),
        (b"\x00" * 5000, "not a picture"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "export it as PNG"),
        (b"%PDF-1.7 ...", "export it as PNG"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00", "HEIC"),
        (_jpeg()[:600], "damaged or cut short"),
        (_jpeg()[:4], "picture|damaged"),
        (_whole_png()[:300], "damaged or cut short"),
        (png_of(400, 400, b"not compressed"), "damaged or cut short"),
        (png_of(0, 0), "picture|damaged|small"),
        (b"GIF89a" + b"\xff" * 40, "picture|damaged"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "picture|damaged"),
        (b"BM" + b"\xff" * 60, "picture|damaged|large"),
        (b"II*\x00\xff\xff\xff\x7f", "picture|damaged"),
    ],
)
def test_what_is_no_picture_is_told(tmp_path, content, words):
    path = tmp_path / "thing.png"
    path.write_bytes(content)
    with pytest.raises(BadPicture, match=words):
        read_picture(path)


def test_every_damaged_byte_gives_a_picture_or_an_answer(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "thing.png"
    for content in (_jpeg(), _whole_png()):
        for _ in range(40):
            data = bytearray(content)
            for at in rng.integers(0, len(data), 8):
                data[at] = int(rng.integers(256))
            path.write_bytes(bytes(data))
            with contextlib.suppress(BadPicture):
                assert read_picture(path).pixels.shape[2] == 4


def test_missing_files_and_folders_are_told(tmp_path):
    with pytest.raises(BadPicture, match="no file"):
        read_picture(tmp_path / "none.png")
    with pytest.raises(BadPicture, match="folder"):
        read_picture(tmp_path)
