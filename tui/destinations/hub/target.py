"""Where in the Hub files go."""

from __future__ import annotations

from dataclasses import dataclass

HUB = "https://huggingface.co"


@dataclass(frozen=True, slots=True)
class HubTarget:
    """Where in the Hub.

    Attributes:
        repo_id: `owner/name`; also takes addresses (see `check_repo_id`).
        folder: below which files go; empty is the top.
        private: how the repository is made, if it has to be made.
        xet: send large files by Xet where that is possible.
    """

    repo_id: str
    folder: str = ""
    private: bool = True
    endpoint: str = HUB
    xet: bool = True
