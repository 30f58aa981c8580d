"""A place in a repository on the Hub."""

from __future__ import annotations

from dataclasses import dataclass

HUB = "https://huggingface.co"


@dataclass(frozen=True, slots=True)
class HubTarget:
    """The repository and folder that files are published to.

    Attributes:
        repo_id: `owner/name`, or the address of the repository (see `check_repo_id`).
        folder: the folder in the repository; "" is its root.
        private: the visibility of the repository, if it has to be created.
        endpoint: the Hub's address.
        xet: whether large files may be sent by Xet.
    """

    repo_id: str
    folder: str = ""
    private: bool = True
    endpoint: str = HUB
    xet: bool = True
