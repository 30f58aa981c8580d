"""From a folder to its manifest: captions of every strategy, names, refusals."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tui.simpletuner.config.load import load_config
from tui.simpletuner.datasets.scan import scan
from tui.simpletuner.staging import digests
from tui.simpletuner.staging.build import Built, build_manifest
from tui.simpletuner.staging.convert import hashed
from tui.simpletuner.staging.manifest import Manifest, Transform
from tui.simpletuner.staging.names import staged_names
from tui.simpletuner.staging.rewrite import row_name


def put(path: Path, colour: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (colour % 256, colour // 256, 7)).save(path)
    return path


def build(
    tmp_path: Path,
    *entries: Mapping[str, Any],
    family: str = "flux",
    flavour: str | None = None,
    **more: Any,
) -> Built:
    config = tmp_path / "config"
    config.mkdir(exist_ok=True)
    (config / "data.json").write_text(json.dumps(entries))
    values = {"model_family": family, "data_backend_config": str(config / "data.json")}
    values |= {"model_flavour": flavour} if flavour else {}
    (config / "config.json").write_text(json.dumps(values))
    loaded = load_config(config)
    return build_manifest(loaded, scan(loaded), **more)


def entry(folder: Path, **more: Any) -> dict[str, Any]:
    return {
        "id": folder.name, "type": "local", "instance_data_dir": str(folder),
        "caption_strategy": "textfile", **more,
    }  # fmt: skip


def captions(built: Built) -> list[tuple[str, ...]]:
    return [file.captions for file in built.manifest.datasets[0].files]


def errors(built: Built) -> str:
    return "; ".join(note.message for note in built.notes if note.level == "error")


def test_lines_of_a_caption_file_are_captions(tmp_path: Path) -> None:
    put(tmp_path / "cats/a.png").with_suffix(".txt").write_bytes(b"\xef\xbb\xbfone\r\n\r\n two \n")
    put(tmp_path / "cats/b.png", 1).with_suffix(".txt").write_text("only")
    assert captions(build(tmp_path, entry(tmp_path / "cats"))) == [("one", "two"), ("only",)]
    whole = build(tmp_path, entry(tmp_path / "cats", disable_multiline_split=True))
    assert captions(whole)[0] == ("one\r\n\r\n two",)


def test_file_names_are_captions(tmp_path: Path) -> None:
    put(tmp_path / "cats/x/a_red_cat.v2.png")
    built = build(tmp_path, entry(tmp_path / "cats", caption_strategy="filename"))
    assert captions(built) == [("a red cat.v2",)]


def test_an_instance_prompt_needs_no_captions(tmp_path: Path) -> None:
    put(tmp_path / "cats/a.png").with_suffix(".txt").write_text("not read")
    built = build(
        tmp_path,
        entry(tmp_path / "cats", caption_strategy="instanceprompt", instance_prompt="a cat"),
    )
    assert captions(built) == [()]
    assert not errors(built)


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_a_table_holds_captions(tmp_path: Path, suffix: str) -> None:
    put(tmp_path / "cats/a.png")
    put(tmp_path / "cats/b.png", 1)
    table = tmp_path / "cats" / f"table{suffix}"
    rows = [("a.png", "one", ""), ("b.png", "", "from the other column")]
    if suffix == ".csv":
        table.write_text("file,text,spare\n" + "".join(",".join(row) + "\n" for row in rows))
    else:
        named = [dict(zip(("file", "text", "spare"), row, strict=True)) for row in rows]
        table.write_text("".join(json.dumps(row) + "\n" for row in named))
    parquet = {
        "path": str(table), "filename_column": "file", "caption_column": "text",
        "fallback_caption_column": "spare", "identifier_includes_extension": True,
    }  # fmt: skip
    made = entry(tmp_path / "cats", caption_strategy="parquet", parquet=parquet)
    assert captions(build(tmp_path, made)) == [("one",), ("from the other column",)]
    parquet["caption_column"] = "words"
    wrong = entry(tmp_path / "cats", caption_strategy="parquet", parquet=parquet)
    assert "parquet.caption_column names the column words" in errors(build(tmp_path, wrong))


def test_a_parquet_table_holds_captions(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    put(tmp_path / "cats/a.png")
    path = tmp_path / "cats/table.parquet"
    parquet.write_table(arrow.table({"id": ["a"], "caption": [["one", "two"]]}), path)
    made = entry(tmp_path / "cats", caption_strategy="parquet", parquet={"path": str(path)})
    assert captions(build(tmp_path, made)) == [("one", "two")]


def test_missing_captions_are_refused_or_left_out_at_the_users_word(tmp_path: Path) -> None:
    put(tmp_path / "cats/a.png").with_suffix(".txt").write_text("a cat")
    put(tmp_path / "cats/b.png", 1)
    put(tmp_path / "cats/c.png", 2).with_suffix(".txt").write_text(" \n")
    refused = build(tmp_path, entry(tmp_path / "cats"))
    assert "no caption for 2 pictures: b.png, c.png" in errors(refused)
    assert not refused.manifest.datasets
    left = build(tmp_path, entry(tmp_path / "cats"), leave_out_uncaptioned=True)
    assert captions(left) == [("a cat",)]
    assert left.left_out == ("cats/b.png", "cats/c.png")
    assert any("2 pictures without a caption are left out" in note.message for note in left.notes)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"conditioning": [{"type": "canny"}]}, "conditioning makes its pictures"),
        ({"grounding": {"auto_detect": True}}, "grounding.auto_detect"),
        ({"caption_strategy": "csv"}, "caption_strategy csv"),
        ({"caption_strategy": "instanceprompt"}, "without an instance_prompt"),
        ({"prepend_instance_prompt": True}, "prepend_instance_prompt without"),
        ({"dataset_type": "caption"}, "dataset_type caption"),
    ],
)
def test_what_cannot_be_staged_is_refused_by_field(
    tmp_path: Path, more: dict[str, Any], words: str
) -> None:
    put(tmp_path / "cats/a.png").with_suffix(".txt").write_text("a cat")
    assert words in errors(build(tmp_path, entry(tmp_path / "cats", **more)))


@pytest.mark.parametrize(
    ("family", "flavour", "more", "refused"),
    [
        ("wan", "i2v-14b-2.1", {"video": {"is_i2v": True}}, True),
        ("hunyuanvideo", "i2v-480p", {}, True),  # treats every video dataset so
        ("wan", "i2v-14b-2.1", {"video": {"is_i2v": True}, "conditioning_data": "frames"}, False),
        ("wan", "t2v-480p-1.3b-2.1", {"video": {"num_frames": 25}}, False),
    ],
)
def test_first_frames_are_staged_as_a_dataset_or_refused(
    tmp_path: Path, family: str, flavour: str, more: dict[str, Any], refused: bool
) -> None:
    """The trainer makes them from a disk only; pairs of videos and pictures are staged."""
    for name in ("a", "b"):
        put(tmp_path / f"frames/{name}.png", 1).with_suffix(".txt").write_text("a frame")
        clip = tmp_path / f"clips/{name}.mp4"
        clip.parent.mkdir(exist_ok=True)
        clip.write_bytes(name.encode())
        clip.with_suffix(".txt").write_text("a clip")
    frames = entry(tmp_path / "frames", dataset_type="conditioning")
    clips = entry(tmp_path / "clips", dataset_type="video", **more)
    built = build(tmp_path, clips, frames, family=family, flavour=flavour)
    assert ("takes the first frame" in errors(built)) is refused, errors(built)
    assert refused or not errors(built)


def test_a_folder_of_images_and_videos_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "clips/a.png").with_suffix(".txt").write_text("a cat")
    (tmp_path / "clips/b.mp4").write_bytes(b"\0" * 64)
    (tmp_path / "clips/b.txt").write_text("a clip")
    made = entry(tmp_path / "clips", dataset_type="video")
    assert "mixes images and videos" in errors(build(tmp_path, made))


def test_pairs_have_the_same_rows(tmp_path: Path) -> None:
    for number, stem in enumerate(["a", "a-1", "a.k", "Ä b", "z"]):
        put(tmp_path / f"cats/{stem}.jpg", number).with_suffix("").parent.joinpath(
            f"{stem}.txt"
        ).write_text("a cat")
        put(tmp_path / f"masks/{stem}.png", number)
    pair = [
        entry(tmp_path / "cats", conditioning_data="masks"),
        entry(
            tmp_path / "masks", dataset_type="conditioning", conditioning_type="mask",
            caption_strategy="instanceprompt", instance_prompt="-", source_dataset_id="cats",
        ),
    ]  # fmt: skip
    built = build(tmp_path, *pair)
    assert not errors(built)
    cats, masks = built.manifest.datasets
    assert [Path(file.source).stem for file in cats.files] == [
        Path(file.source).stem for file in masks.files
    ]
    (tmp_path / "masks/z.png").unlink()
    assert "pairs it with masks, but 1 name is only in one of them: z" in errors(
        build(tmp_path, *pair)
    )


def test_names_are_plain_unique_and_the_same_for_the_same_name() -> None:
    local = ["a.png", "A.png", "b/ü.png", "b/u.png", "train/x.png", "😀.png", "x+y.png"]
    names = staged_names(local, ["as-is"] * len(local))
    assert len({name.lower() for name in names}) == len(names)
    assert all(name.isascii() and " " not in name and "+" not in name for name in names)
    assert staged_names(["b/ü.png"], ["as-is"]) == [names[2]]
    assert staged_names(["b/ü.jpg"], ["rgb"])[0].endswith(".png")
    assert not names[4].startswith("train/")


def test_a_cmyk_picture_is_sent_as_rgb(tmp_path: Path) -> None:
    folder = tmp_path / "cats"
    folder.mkdir()
    Image.new("CMYK", (8, 8), (0, 200, 100, 0)).save(folder / "a.jpg")
    (folder / "a.txt").write_text("a cat")
    built = build(tmp_path, entry(folder))
    (file,) = built.manifest.datasets[0].files
    assert (file.transform, file.name) == ("rgb", "a.png")
    assert any("sent as RGB" in note.message for note in built.notes)


def test_only_changed_files_are_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        put(tmp_path / f"cats/{number}.png", number).with_suffix(".txt").write_text("a cat")
    monkeypatch.setattr(digests, "TICK_NS", -(10**10))  # else what was written just now is read
    cache = tmp_path / "cache.json"
    first = build(tmp_path, entry(tmp_path / "cats"), cache=cache)
    read: list[str] = []

    def counted(path: str, how: Transform) -> tuple[str, int]:
        read.append(path)
        return hashed(path, how)

    monkeypatch.setattr("tui.simpletuner.staging.build.hashed", counted)
    assert build(tmp_path, entry(tmp_path / "cats"), cache=cache).manifest == first.manifest
    assert read == []
    put(tmp_path / "cats/1.png", 99)
    changed = build(tmp_path, entry(tmp_path / "cats"), cache=cache)
    assert [Path(path).name for path in read] == ["1.png"]
    assert changed.manifest.digest != first.manifest.digest


def test_ten_thousand_known_files_are_planned_within_a_second(tmp_path: Path) -> None:
    folder = tmp_path / "cats"
    content = put(folder / "00000.png").read_bytes()
    for number in range(10_000):
        (folder / f"{number:05}.png").write_bytes(content)
        (folder / f"{number:05}.txt").write_text(f"picture {number}")
    config = tmp_path / "config"
    config.mkdir()
    (config / "data.json").write_text(json.dumps([entry(folder)]))
    values = {"model_family": "flux", "data_backend_config": str(config / "data.json")}
    (config / "config.json").write_text(json.dumps(values))
    loaded = load_config(config)
    report = scan(loaded)
    cache = tmp_path / "cache.json"
    build_manifest(loaded, report, cache=cache)
    times = []
    for _ in range(3):
        before = time.process_time()  # of this process: others use the same processors
        built = build_manifest(loaded, report, cache=cache)
        assert built.manifest.digest
        times.append(time.process_time() - before)
    assert built.manifest.images == 10_000
    assert min(times) < 1.0


@pytest.mark.release
@pytest.mark.timeout(300)
def test_a_hundred_thousand_files_are_planned(tmp_path: Path) -> None:
    """Each has a name and a row of its own, in folders that the Hub takes."""
    folder = tmp_path / "cats"
    for number in range(100):
        content = put(folder / f"{number:05}.png", number).read_bytes()
        for copy in range(number, 100_000, 100):
            (folder / f"{copy:05}.png").write_bytes(content)
    made = entry(folder, caption_strategy="instanceprompt", instance_prompt="a cat")
    built = build(tmp_path, made, cache=tmp_path / "cache.json")
    assert not errors(built)
    manifest = built.manifest
    assert (manifest.images, len(manifest.files)) == (100_000, 100)
    assert Manifest.from_dict(json.loads(json.dumps(manifest.to_dict()))) == manifest
    rows = [row_name(number, file) for number, file in enumerate(manifest.datasets[0].files)]
    assert rows == sorted(set(rows)), "the loader's order is that of the names"
    assert max(Counter(row.partition("/")[0] for row in rows).values()) <= 10_000


def test_names_that_no_archive_takes_are_sent_under_plain_ones(tmp_path: Path) -> None:
    put(tmp_path / "cats/plain.png").with_suffix(".txt").write_text("plain")
    odd = put(tmp_path / "cats/two\nlines \\ back.png", 1)
    odd.with_suffix(".txt").write_text("odd")
    put(tmp_path / "cats/ 😀 a+b%2B.png", 3).with_suffix(".txt").write_text("happy")
    put(tmp_path / "cats/قطة.png", 4).with_suffix(".txt").write_text("Arabic")
    put(tmp_path / "cats/\u202egnp.exe.png", 2).with_suffix(".txt").write_text("from the right")
    built = build(tmp_path, entry(tmp_path / "cats"))
    assert not errors(built)
    files = built.manifest.datasets[0].files
    assert sorted(file.captions[0] for file in files) == [
        "Arabic", "from the right", "happy", "odd", "plain",
    ]  # fmt: skip
    assert all(file.name.isascii() and file.name.isprintable() for file in files)
    assert not [file.name for file in files if set(file.name) & set(" +%")]
    assert any("4 pictures get a plain name there" in note.message for note in built.notes)
