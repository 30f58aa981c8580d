"""Pictures as cells: scaling, colours, and files that are no pictures."""

from __future__ import annotations

import contextlib
import os
import random
import struct
import zlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rich.color import Color, ColorSystem
from textual._compositor import LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip

from tui.app.job.exact_metrics import ExactMetrics
from tui.app.pictures import decode as limits
from tui.app.pictures.decode import PictureError, Pixels, decode
from tui.app.pictures.paint import paint
from tui.app.terminal.frame_diff import TerminalCells
from tui.simpletuner.validation_media import METRICS_FILE
from tui.store.records import FileRecord

RED, BLUE = (255, 0, 0), (0, 0, 255)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """Red above blue, 64 pixels wide and high."""
    image = Image.new("RGB", (64, 64), RED)
    image.paste(BLUE, (0, 32, 64, 64))
    image.save(tmp_path / "halves.png")
    return tmp_path / "halves.png"


def colours(strip: Strip) -> list[tuple[Color, Color]]:
    """Foreground and background of each segment."""
    return [
        (segment.style.color, segment.style.bgcolor)
        for segment in strip
        if segment.style and segment.style.color and segment.style.bgcolor
    ]


def test_a_picture_is_two_rows_of_pixels_in_each_row_of_cells(picture: Path) -> None:
    pixels = decode(picture, 20, 9)
    assert (pixels.width, pixels.height, pixels.rows) == (18, 18, 9)
    assert pixels.original == (64, 64)
    strips = paint(pixels, true_colour=True)
    assert [strip.text for strip in strips] == [" " * 18] * 4 + ["▀" * 18] + [" " * 18] * 4
    assert [tuple(colour.get_truecolor()) for colour in colours(strips[0])[0]] == [RED, RED]
    ((upper, lower),) = colours(strips[4])  # the border lies within this row of cells
    assert upper.get_truecolor().red > 200 > 100 > upper.get_truecolor().blue
    assert lower.get_truecolor().blue > 200 > 100 > lower.get_truecolor().red
    assert [tuple(colour.get_truecolor()) for colour in colours(strips[8])[0]] == [BLUE, BLUE]


def test_with_256_colours_the_fixed_ones_are_used(picture: Path) -> None:
    strips = paint(decode(picture, 20, 9), true_colour=False)
    # https://en.wikipedia.org/wiki/ANSI_escape_code#8-bit: 16 + 36 r + 6 g + b
    assert [colour.number for colour in colours(strips[0])[0]] == [16 + 36 * 5] * 2
    assert [colour.number for colour in colours(strips[8])[0]] == [16 + 5] * 2


@given(st.integers(1, 9), st.integers(1, 3), st.data())
def test_every_pixel_has_its_colour_and_two_colours_are_one_style(
    width: int, rows: int, data: st.DataObject
) -> None:
    """Whichever is above: half of the changes of style of a picture would say the same again."""
    count = 2 * width * rows
    numbers = data.draw(st.lists(st.integers(16, 19), min_size=count, max_size=count))
    rgb = bytes(part for number in numbers for part in (number, 0, 255 - number))
    pixels = Pixels(width, 2 * rows, rgb, bytes(numbers), (width, 2 * rows))
    for true_colour, kinds in ((False, set[object]()), (True, set[object]())):
        seen: list[list[int]] = []
        for strip in paint(pixels, true_colour=true_colour):
            upper, lower = list[int](), list[int]()
            for (text, _, _), pair in zip(strip, colours(strip), strict=True):
                kinds.add(pair)
                ink, ground = (one.number or one.get_truecolor().red for one in pair)
                for character in text:
                    upper.append(ink if character == "▀" else ground)
                    lower.append(ink if character == "▄" else ground)
            seen += [upper, lower]
        assert [number for row in seen for number in row] == numbers
        assert len(kinds) <= 4 + 4 * 3 // 2


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 40), st.integers(1, 20))
def test_every_picture_fits_its_box(
    tmp_path_factory: pytest.TempPathFactory, width: int, height: int, columns: int, rows: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "fits.png"
    Image.new("RGB", (width, height)).save(path)
    pixels = decode(path, columns, rows)
    assert pixels.width <= columns
    assert pixels.rows <= rows
    assert len(pixels.rgb) == 3 * pixels.width * pixels.height
    assert [strip.cell_length for strip in paint(pixels, true_colour=False)] == [
        pixels.width
    ] * pixels.rows


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_every_kind_of_pixel_is_read(tmp_path: Path, mode: str) -> None:
    Image.new(mode, (16, 16)).save(tmp_path / "a.png")
    assert decode(tmp_path / "a.png", 4, 2).rows == 2


@pytest.mark.parametrize("ending", ["jpg", "webp"])
def test_the_other_formats_are_read(tmp_path: Path, ending: str) -> None:
    Image.new("RGB", (32, 32), RED).save(tmp_path / f"a.{ending}")
    pixels = decode(tmp_path / f"a.{ending}", 4, 2)
    assert pixels.rgb[0] > 200


def test_an_enlarged_picture_of_256_colours_fits_its_budget(tmp_path: Path) -> None:
    """One without a plain area, as the dearest are."""
    source = random.Random(3)
    small = Image.frombytes("RGB", (12, 12), source.randbytes(3 * 12 * 12))
    small.resize((512, 512), Image.Resampling.BICUBIC).save(tmp_path / "a.png")
    strips = paint(decode(tmp_path / "a.png", 68, 34), true_colour=False)
    update = LayoutUpdate([[strip] for strip in strips], Region(0, 0, 68, 34))
    sent = TerminalCells().render(update, (68, 34), ColorSystem.TRUECOLOR)
    assert len(sent.encode()) < 28_000 * 0.95


def test_what_is_transparent_is_black(tmp_path: Path) -> None:
    Image.new("RGBA", (8, 8), (255, 255, 255, 0)).save(tmp_path / "a.png")
    assert set(decode(tmp_path / "a.png", 4, 2).rgb) == {0}


# -- strangers' files -----------------------------------------------------------------------------


def refusal(path: Path) -> str:
    with pytest.raises(PictureError) as refused:
        decode(path, 20, 10)
    return str(refused.value)


def test_half_a_file_is_not_shown(tmp_path: Path) -> None:
    for ending in ("png", "jpg", "webp"):
        path = tmp_path / f"a.{ending}"
        Image.effect_noise((200, 200), 90).convert("RGB").save(path)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        assert refusal(path) == "incomplete or damaged", ending


def test_a_bomb_is_told_by_its_head(tmp_path: Path) -> None:
    def chunk(name: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + check

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    path = tmp_path / "bomb.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b""))
    assert "too many pixels" in refusal(path)


def test_a_large_file_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    with path.open("wb") as file:
        file.truncate(limits.MAX_BYTES + 1)
    assert refusal(path) == "too large to show (32 MiB)"


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"GIF89a" + b"\0" * 100, b"<svg/>"])
def test_other_content_is_no_picture(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    assert refusal(path) in ("no picture that can be read", "incomplete or damaged")


def test_a_format_that_is_not_shown_is_not_decoded(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.tiff")
    (tmp_path / "a.tiff").rename(tmp_path / "a.png")
    assert refusal(tmp_path / "a.png") == "no picture that can be read"


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """Others may put one into a shared folder of results; its reader would wait for ever."""
    os.mkfifo(tmp_path / "a.png")
    assert refusal(tmp_path / "a.png") == "no picture that can be read"
    name = f"cat/{METRICS_FILE}"
    (tmp_path / "cat").mkdir()
    os.mkfifo(tmp_path / name)
    assert (
        ExactMetrics().read(tmp_path, [FileRecord(name, 1, "", "delivered", datetime.now(UTC))])
        == []
    )


def test_a_file_that_is_gone_is_not_here(tmp_path: Path) -> None:
    assert refusal(tmp_path / "gone.png") == "not here yet"


@given(st.binary(max_size=200), st.sampled_from(["png", "jpg", "webp"]), st.integers(0, 400))
def test_damaged_files_are_refused_or_shown_and_never_raise_anything_else(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, ending: str, at: int
) -> None:
    folder = tmp_path_factory.getbasetemp()
    good = folder / f"good.{ending}"
    if not good.exists():
        Image.effect_noise((24, 24), 90).convert("RGB").save(good)
    data = bytearray(good.read_bytes())
    data[at : at + len(noise)] = noise
    path = folder / f"damaged.{ending}"
    path.write_bytes(data)
    with contextlib.suppress(PictureError):
        assert decode(path, 8, 4).rows > 0
