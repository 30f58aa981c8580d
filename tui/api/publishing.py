"""Publishing in SimpleTuner's shapes: the Hub's token, name spaces, repositories, licences.

Destinations and transfers, which SimpleTuner does not have, stand in modules of their own; names on
the Hub for the submit form stand here.
"""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, Required

from tui.api.base import CheckLevel, Hidden, TypedDict


class PublishingStatus(TypedDict):
    """Where results can go.

    Attributes:
        hf_configured: whether there is a Hugging Face token.
        hf_token_valid: whether it works.
        hf_username: whose it is.
        hub_model_id: always null: each job names its own.
        push_to_hub: whether the Hub is the default delivery.
        s3_configured: always false: destinations are kept elsewhere.
        s3_bucket: always null.
        local_upload_configured: whether a trainer can reach this machine.
        local_upload_available: the same.
        local_upload_dir: the outputs folder.
        message: as a sentence.
    """

    hf_configured: bool
    hf_token_valid: bool
    hf_username: Annotated[str | None, Hidden("submit")]
    hub_model_id: None
    push_to_hub: bool
    s3_configured: Literal[False]
    s3_bucket: None
    local_upload_configured: bool
    local_upload_available: bool
    local_upload_dir: Annotated[str, Hidden("submit")]
    message: Annotated[str, Hidden("submit")]


class LocalUploadConfig(TypedDict):
    """Delivery to this machine.

    Attributes:
        enabled: whether a trainer can reach it.
        endpoint_url: of the storage receiver.
        bucket: its bucket.
        config_json: always null: each job gets keys of its own, as secret inputs.
        outputs_dir: the outputs folder.
    """

    enabled: bool
    endpoint_url: str | None
    bucket: str
    config_json: None
    outputs_dir: Annotated[str, Hidden("submit")]


class HubTokenValidation(TypedDict):
    """Whether the Hub takes the token, and whose it is."""

    valid: bool
    username: str | None
    message: str


class HubTokenSave(TypedDict):
    """A Hugging Face token for the system's keyring."""

    token: str


class HubTokenAnswer(TypedDict):
    """What became of the stored token.

    Attributes:
        success: always true.
        message: as a sentence.
        warnings: what is odd about the token; only after a save.
    """

    success: Literal[True]
    message: str
    warnings: NotRequired[list[str]]


class HubNamespaces(TypedDict):
    """Where the token's owner may publish: the owner first, then organisations."""

    username: str
    organizations: list[str]
    namespaces: list[str]


class RepositoryCheck(TypedDict):
    """A repository by name, `owner/name`."""

    repo_id: str


class RepositoryState(TypedDict):
    """Whether a repository is there.

    Attributes:
        exists: it is, as far as this token can see.
        available: its name is free.
        message: as a sentence.
        repo_id: `owner/name`.
        private: whether it is private; null where that is not known.
    """

    exists: bool
    available: bool
    message: str
    repo_id: str
    private: bool | None


class LicenceQuestion(TypedDict, total=False):
    """A model family, such as `flux`, and its flavour, such as `dev`."""

    model_family: Required[str]
    model_flavour: str | None


class Licence(TypedDict):
    """The licence that a family's results inherit; empty when it is not known."""

    license: str


# -- names on the Hub, for the submit form -------------------------------------------------------


class HubNamespace(TypedDict):
    """A user or an organisation.

    Attributes:
        name: on the Hub.
        kind: which of the two.
        writable: whether this token may write there; null when the Hub does not say.
    """

    name: str
    kind: Literal["user", "org"]
    writable: bool | None


class HubIdentity(TypedDict):
    """Whose the token is.

    Attributes:
        user: the token's owner.
        role: what the token may do, such as `write` or `fineGrained`; may be empty.
        namespaces: where it may publish, the user first.
    """

    user: str
    role: str | None
    namespaces: list[HubNamespace]


class RepositoryQuery(TypedDict, total=False):
    """A repository's name as people type it.

    Attributes:
        name: with or without its owner.
        private: whether it would be made private; true without it.
    """

    name: str
    private: Literal["true", "false"]


class RepositoryLook(TypedDict):
    """What is known of a repository's name.

    Attributes:
        repo: `owner/name`; the name alone where its owner is not known.
        state: free, ours (the token may write to it), taken (it may not), or unknown.
        level: `ok` when a job's upload will work as far as the Hub tells.
        words: the same for people.
        advice: what to do; may be empty.
    """

    repo: str
    state: Literal["free", "ours", "taken", "unknown"]
    level: CheckLevel
    words: str
    advice: str
