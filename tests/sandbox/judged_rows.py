"""Entries of a dataloader that the trainer of today loads or refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.sandbox.current_project import picture


def rows(*items: dict[str, Any]) -> bytes:
    return "\n".join(json.dumps(item) for item in items).encode()


def card(*lines: str) -> bytes:
    return "\n".join(["---", *lines, "---", ""]).encode()


ONE = {"file_name": "a.png", "caption": "one"}


LOADS: list[Any] = [
        pytest.param(
            {"a.png": picture(), "b.png": picture(), "metadata.jsonl": rows(ONE)},
            {},
            1,
            id="a picture without a row is left out",
        ),
        pytest.param(
            {
                "a/same.png": picture(),
                "b/same.png": picture(),
                "metadata.jsonl": rows(
                    {"file_name": "a/same.png", "caption": "1"},
                    {"file_name": "b/same.png", "caption": "2"},
                ),
            },
            {},
            2,
            id="equal names in different folders",
        ),
        pytest.param(
            {
                "é & (1).JPEG": picture(format="JPEG"),
                "metadata.csv": "file_name,text\né & (1).JPEG,x".encode(),
            },
            {"huggingface": {"caption_column": "text"}},
            1,
            id="csv and another column",
        ),
        pytest.param(
            {"a.png": picture(), "b.png": picture()},
            {"caption_strategy": "instanceprompt", "instance_prompt": "a cat"},
            2,
            id="pictures alone with an instance prompt",
        ),
        pytest.param(
            {
                "alpha/a.png": picture(),
                "alpha/metadata.jsonl": rows(ONE),
                "beta/a.png": picture(),
                "beta/b.png": picture(),
                "beta/metadata.jsonl": rows(ONE, {"file_name": "b.png", "caption": "two"}),
                "README.md": card(
                    "configs:", "- config_name: default", "  data_files:",
                    "  - split: alpha", "    path: alpha/**",
                    "  - split: beta", "    path: beta/**",
                ),
            },
            {"split": "beta"},
            2,
            id="one split per dataset",
        ),
        pytest.param(
            {
                "alpha/a.png": picture(),
                "alpha/metadata.jsonl": rows(ONE),
                "README.md": card(
                    "configs:", "- config_name: alpha", "  data_files: alpha/**",
                    "- config_name: beta", "  data_files: beta/**",
                ),
            },
            {"dataset_config": "alpha"},
            1,
            id="one config per dataset",
        ),
    ]  # fmt: skip


REFUSED: list[Any] = [
        pytest.param(
            {"a.png": picture(), "a.txt": b"one"}, {}, "no usable samples", id="a text dataset"
        ),
        pytest.param(
            {"a.png": picture(), "metadata.jsonl": rows(ONE, {"file_name": "b.png"})},
            {},
            "FileNotFoundError: .*snapshots/.*/b.png",
            id="a row without its file",
        ),
        pytest.param(
            {"a.png": picture(), "metadata.jsonl": rows({"name": "a.png"})},
            {},
            "file_name.*must be present",
            id="no file_name",
        ),
        pytest.param(
            {"test/a.png": picture(), "other/b.png": picture()},
            {},
            r"Unknown split \"train\". Should be one of \['test'\]",
            id="a folder that is a split",
        ),
        pytest.param(
            {
                "a.png": picture(),
                "README.md": card(
                    "configs:", "- config_name: default", "  data_files:",
                    "  - split: my-cats", "    path: '**'",
                ),
            },
            {"split": "my-cats"},
            "Expected data_files in YAML",
            id="a split with a dash",
        ),
        pytest.param(
            {
                "a.png": picture(),
                "README.md": card(
                    "configs:", "- config_name: alpha", "  data_files: '**'",
                    "- config_name: beta", "  data_files: '**'",
                ),
            },
            {},
            "Config name is missing",
            id="several configs",
        ),
        pytest.param(
            {"README.md": b"nothing here"}, {}, "doesn't contain any data files", id="empty"
        ),
        pytest.param(
            {"a.jpg": picture(mode="CMYK", format="JPEG"), "metadata.jsonl": rows(
                {"file_name": "a.jpg", "caption": "x"})},
            {},
            "not correctly cached during the VAE Cache operations",
            id="CMYK",
        ),
    ]  # fmt: skip
