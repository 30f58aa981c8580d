"""The provider in SimpleTuner's shapes: its settings, account and models' versions.

SimpleTuner's API knows several providers; here there is one, `replicate`.
"""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, Required, TypeAlias

from tui.api.base import Hidden, SpendingAction, SpendingPeriod, Timestamp, TypedDict

TokenSource: TypeAlias = Literal["environment", "keyring", "session"]
"""Where the token in use is from: a window's environment, the keyring, or for this session only."""
TokenReason: TypeAlias = Literal[
    "none", "unencrypted", "rejected", "forbidden", "rate_limited", "unreachable"
]  # fmt: skip
"""Why a token is not valid.

`unencrypted` keeps a token back from an address that is not encrypted; the last two say nothing
about the token.
"""


class ProviderProfile(TypedDict):
    """A machine of the provider; prices in US dollars.

    Attributes:
        id: the hardware profile.
        model: the trainer on it, `owner/name`.
        label: for people.
        hardware_type: the same.
    """

    id: str
    model: str | None
    label: str
    hardware_type: str
    cost_per_hour: float
    cost_per_second: float


class Provider(TypedDict):
    """A provider as SimpleTuner's own interface lists it.

    Attributes:
        id: `replicate`.
        name: for people.
        description: one line.
        model: the trainer on the default hardware.
        version: the pinned version of it.
        hardware: the default hardware, for people.
        cost_per_hour: of it, in US dollars.
        configured: whether there is a token.
        coming_soon: always false.
        hardware_profile: the default hardware.
        hardware_profiles: all machines.
    """

    id: Literal["replicate"]
    name: str
    description: str
    model: str | None
    version: str | None
    hardware: str
    cost_per_hour: float
    configured: bool
    coming_soon: bool
    hardware_profile: str
    hardware_profiles: list[ProviderProfile]


class ProviderList(TypedDict):
    """All providers: one."""

    providers: list[Provider]


class ProviderAdvanced(TypedDict):
    """The network's and the allowlist's part of the settings.

    Attributes:
        ssl_verify: whether certificates are checked.
        ssl_ca_bundle: path of a PEM file.
        proxy_url: `***` stands for a password in it; sent back as it is, the password stays.
        http_timeout: seconds.
        webhook_ip_allowlist_enabled: whether `webhook_allowed_ips` holds anything.
        webhook_allowed_ips: addresses and networks that may send webhooks.
    """

    ssl_verify: bool
    ssl_ca_bundle: Annotated[str | None, Hidden("admin")]
    proxy_url: Annotated[str | None, Hidden("admin")]
    http_timeout: float
    webhook_ip_allowlist_enabled: bool
    webhook_allowed_ips: Annotated[list[str], Hidden("admin")]


class HardwareRate(TypedDict):
    """A machine's name and rate, in US dollars for each second."""

    name: str
    cost_per_second: float


class ProviderConfig(ProviderAdvanced):
    """The settings in force, by SimpleTuner's names. No secret is among them.

    Attributes:
        version_override: the pinned version of the default hardware's trainer.
        hardware_profile: the default hardware.
        api_base_url: of the Replicate-compatible API.
        webhook_url: the public URL, without path.
        webhook_require_signature: whether unsigned webhooks are refused.
        webhook_trusted_proxies: proxies whose word about a client's address counts.
        cost_limit_enabled: whether the cost limit counts.
        cost_limit_amount: US dollars.
        cost_limit_period: its window.
        cost_limit_action: what it does.
        hardware_info: rates by hardware profile.
    """

    version_override: str | None
    hardware_profile: str
    api_base_url: str
    webhook_url: str | None
    webhook_require_signature: bool
    webhook_trusted_proxies: Annotated[list[str], Hidden("admin")]
    cost_limit_enabled: bool
    cost_limit_amount: float
    cost_limit_period: SpendingPeriod
    cost_limit_action: SpendingAction
    hardware_info: dict[str, HardwareRate]


class ProviderConfigAnswer(TypedDict):
    """The provider's settings.

    Attributes:
        provider: `replicate`.
        config: the settings in force.
        ignored: names of the request that mean nothing here; only after a change.
    """

    provider: Literal["replicate"]
    config: ProviderConfig
    ignored: NotRequired[list[str]]


class HardwareRateChange(TypedDict, total=False):
    """A machine's new rate, in US dollars for each second; other fields are not read."""

    cost_per_second: Required[float]
    name: str


class ProviderConfigChange(TypedDict, total=False):
    """What is to be changed; what is left out stays. Unknown names are told and ignored.

    Attributes:
        confirm: must be true beside `ssl_verify` false.
    """

    version_override: str | None
    hardware_profile: str | None
    api_base_url: str | None
    webhook_url: str | None
    webhook_require_signature: bool
    webhook_allowed_ips: list[str] | None
    webhook_trusted_proxies: list[str] | None
    webhook_ip_allowlist_enabled: bool
    cost_limit_enabled: bool
    cost_limit_amount: float
    cost_limit_period: SpendingPeriod
    cost_limit_action: SpendingAction
    hardware_info: dict[str, HardwareRateChange]
    ssl_verify: bool
    ssl_ca_bundle: str | None
    proxy_url: str | None
    http_timeout: float
    confirm: bool


class ModelQuery(TypedDict, total=False):
    """The model whose versions are asked for; without it the default hardware's trainer."""

    model_id: str


class ModelVersion(TypedDict):
    """A version of a model.

    Attributes:
        id: the hash.
        created_at: when it was pushed.
        model_id: `owner/name`.
        full_version: `owner/name:hash`.
        cog_version: of the tool that built it.
    """

    id: str
    created_at: Timestamp | None
    model_id: str
    full_version: str
    cog_version: str | None


class TrainerRelease(TypedDict):
    """Which SimpleTuner a version of a trainer holds; its schema does not say so.

    Attributes:
        version: the hash of the version.
        name: the release; `patched` is a build unlike the known ones.
        source: what it rests on: the version's date, what its jobs showed, or the user's word.
        title: the release and what it rests on, for people.
        reasons: what the date, the jobs and the user say, the last word counting most.
    """

    version: str
    name: Literal["4.8.0", "4.10.1", "patched", "unknown"]
    source: Literal["date", "observed", "user"]
    title: str
    reasons: list[str]


class ModelVersions(TypedDict):
    """A model's versions, newest first.

    Attributes:
        versions: at most 50.
        current_version: the pinned one; null follows the newest.
        release: our addition: what the version in use holds; null when it is not listed.
        error: always null.
    """

    versions: list[ModelVersion]
    current_version: str | None
    release: TrainerRelease | None
    error: None


class AccountUser(TypedDict):
    """Whose the token is, as Replicate tells.

    Attributes:
        username: the account.
        name: for people.
        type: `user` or `organization`.
        github_url: of the account.
        valid: always true; only in answers of the HTTP API.
        token_source: where the token is from; only in answers of the HTTP API.
    """

    username: str
    name: str | None
    type: str | None
    github_url: str | None
    valid: NotRequired[Literal[True]]
    token_source: NotRequired[TokenSource | None]


class AccountValidation(TypedDict):
    """Whether the Replicate token works.

    Attributes:
        valid: it does.
        user_info: whose it is; null where it is not valid.
        error: what is the matter.
        advice: what to do; missing where it is valid.
        token_source: where the token is from; null without one.
        reason: why it is not valid; null where it is.
        api_base: the API that was asked.
        sandbox: whether that is a server on this machine.
        unreachable: true where nothing is known about the token; else missing.
    """

    valid: bool
    user_info: AccountUser | None
    error: str | None
    advice: NotRequired[str]
    token_source: TokenSource | None
    reason: TokenReason | None
    api_base: str
    sandbox: bool
    unreachable: NotRequired[Literal[True]]


class BilledHardware(TypedDict):
    """A machine and its price in US dollars."""

    id: str
    name: str
    cost_per_hour: float
    cost_per_second: float


class Billing(TypedDict):
    """What was spent; Replicate tells no balance over its API.

    Attributes:
        balance: always null.
        balance_note: why.
        hardware: machines and prices.
        default_hardware: by Replicate's name, such as `gpu-l40s`.
        spent_usd: what jobs known here have cost in the period.
        period_days: 30.
    """

    balance: None
    balance_note: str
    hardware: list[BilledHardware]
    default_hardware: str
    spent_usd: float
    period_days: int


class TokenSave(TypedDict):
    """A Replicate token for the system's keyring."""

    api_token: str


class TokenAnswer(TypedDict):
    """What became of the stored token, in SimpleTuner's shape.

    Attributes:
        success: always true.
        file_path: always null: tokens are never written to a file.
        error: why the token was not proven, or that there was none to delete.
        stored: where it is kept; only after a save.
        backend: the keyring's name; only after a save.
        warnings: what is odd about the token; only after a save.
    """

    success: Literal[True]
    file_path: None
    error: str | None
    stored: NotRequired[Literal["keyring", "session"]]
    backend: NotRequired[str]
    warnings: NotRequired[list[str]]
