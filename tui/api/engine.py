"""The engine itself, its listener, what windows hand over, and keys. On the user's socket only."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from tui.api.base import Bounds, Timestamp, TypedDict
from tui.api.scopes import Scope


class WebhookRejection(TypedDict):
    """The last webhook that was turned away.

    Attributes:
        reason: a short name, a key of `WebhookCounters.rejected`.
        message: the same for people.
        address: of the client; empty where it is not known.
        at: when.
    """

    reason: str
    message: str
    address: str
    at: Timestamp


class WebhookCounters(TypedDict):
    """Webhooks since the listener's start.

    Attributes:
        accepted: were verified and handed on.
        duplicates: had come before.
        failed: were verified and could not be worked with.
        rejected: were turned away, by reason.
        rejected_total: all of these.
        last_accepted_at: when the last one was verified.
        last_rejection: the last one that was turned away.
    """

    accepted: int
    duplicates: int
    failed: int
    rejected: dict[str, int]
    rejected_total: int
    last_accepted_at: Timestamp | None
    last_rejection: WebhookRejection | None


class ListenerState(TypedDict):
    """The listener as windows show it; also the fact `listener` of the store.

    Attributes:
        address: `host:port` it listens on; empty while it does not.
        state: whether it listens.
        problem: why it does not listen as the settings say; else empty.
        warning: what to know about the address; else empty.
        tls: whether it speaks TLS.
        listen: the setting.
        allow_public_bind: the setting.
        tls_cert: the setting, a path.
        tls_key: the setting, a path.
        public_url: the setting.
        webhook_url: where Replicate sends webhooks; empty without a public URL.
        verify_signatures: the setting.
        allowed_ips: the setting.
        trusted_proxies: the setting.
        outputs: the folder for delivered files, absolute.
        webhooks: counters.
    """

    address: str
    state: Literal["listening", "off"]
    problem: str
    warning: str
    tls: bool
    listen: str
    allow_public_bind: bool
    tls_cert: str
    tls_key: str
    public_url: str
    webhook_url: str
    verify_signatures: bool
    allowed_ips: list[str]
    trusted_proxies: list[str]
    outputs: str
    webhooks: WebhookCounters


class EngineInfo(TypedDict):
    """The engine that answers.

    Attributes:
        pid: its process.
        mode: who keeps it alive: `agent` (whoever needs it), `owned` (its window) or `serve`.
        version: of this program.
        started_at: when it was started.
        listener: what faces outwards.
        active_jobs: jobs that are followed, packed or uploaded.
        home: the state folder, absolute.
    """

    pid: int
    mode: Literal["agent", "owned", "serve"]
    version: str
    started_at: Timestamp
    listener: ListenerState
    active_jobs: int
    home: str


class Session(TypedDict, total=False):
    """What a window's environment holds; empty or missing means nothing.

    Attributes:
        api_base: the window's API base; not read: the header `X-Api-Base` names it.
        replicate_token: of the environment.
        hf_token: of the environment.
        hf_endpoint: the Hub's address, for an API on this machine.
        proxies: of the environment, as JSON; not read: the header `X-Proxies` of each call says
            which way that call and its jobs take.
        keyring_changed: the window has changed the keyring, so it is read again.
    """

    api_base: str
    replicate_token: str | None
    hf_token: str | None
    hf_endpoint: str | None
    proxies: str | None
    keyring_changed: bool


class Succession(TypedDict):
    """Whether an engine gives way to one of a newer version.

    Attributes:
        gives_way: whether it ends now.
        waits_for: what has to end before; else empty.
    """

    gives_way: bool
    waits_for: str


class Focus(TypedDict, total=False):
    """The job that is looked at, which is polled more often; null or empty for none."""

    job_id: str | None


class ApiKey(TypedDict):
    """A key for the HTTP API, without the key.

    Attributes:
        id: eight hexadecimal digits.
        name: given by the user; may be empty.
        scope: what it may do.
        created_at: when it was made.
        expires_at: when it stops being good; null for never.
        last_used_at: when it last opened something, to the minute; null for never.
        expired: whether it is good no longer.
    """

    id: str
    name: str
    scope: Scope
    created_at: Timestamp
    expires_at: Timestamp | None
    last_used_at: Timestamp | None
    expired: bool


class ApiKeys(TypedDict):
    """Keys that are not revoked, the oldest first."""

    keys: list[ApiKey]


class NewApiKey(TypedDict, total=False):
    """A wish for a key.

    Attributes:
        name: what it is for, at most 100 printable characters.
        scope: what it may do; `read` without it.
        ttl_seconds: for how long it is good, at most ten years; without it until it is revoked.
    """

    name: str | None
    scope: Scope
    ttl_seconds: Annotated[int, Bounds(ge=1, le=315_360_000)] | None


class ApiKeyMade(TypedDict):
    """A key at the one moment at which it can be seen.

    Attributes:
        id: to revoke it by.
        key: the secret; only its hash is kept.
        scope: what it may do.
        expires_at: when it stops being good; null for never.
    """

    id: str
    key: str
    scope: Scope
    expires_at: Timestamp | None


class ApiKeyRevoked(TypedDict):
    """The key of this id is good no longer."""

    id: str


class StorageKey(TypedDict):
    """A key pair for the user's own S3 tools, without its secret.

    Attributes:
        access_key: the public half, which names the pair.
        created_at: when it was made.
        expires_at: when it stops being good.
        last_used_at: when it last signed a request, to the minute; null for never.
    """

    access_key: str
    created_at: Timestamp
    expires_at: Timestamp
    last_used_at: Timestamp | None


class StorageKeyList(TypedDict):
    """Key pairs that are good now, the oldest first."""

    keys: list[StorageKey]


class StorageKeyRevoked(TypedDict):
    """The pair of this public half is good no longer."""

    access_key: str


class NewStorageKey(TypedDict, total=False):
    """A wish for a key pair; without a time it is good for an hour.

    Attributes:
        ttl_seconds: for how long it is good, at most seven days.
    """

    ttl_seconds: Annotated[int, Bounds(ge=1, le=604800)]


class StorageKeyMade(TypedDict):
    """A key pair for the user's own S3 tools.

    Attributes:
        endpoint: of the storage receiver.
        bucket: its bucket.
        access_key: names the pair.
        secret_key: the secret.
        region: to be signed for.
        expires_in: seconds.
    """

    endpoint: str
    bucket: str
    access_key: str
    secret_key: str
    region: str
    expires_in: int


class ComponentHealth(TypedDict):
    """One part of the program.

    Attributes:
        name: such as `database`.
        status: how it is.
        latency_ms: how long looking took.
        message: what is the matter.
    """

    name: Literal["database", "listener", "replicate"]
    status: Literal["healthy", "degraded", "unhealthy"]
    latency_ms: float | None
    message: str | None


class HealthQuery(TypedDict, total=False):
    """Whether Replicate is asked as well, which takes a moment."""

    include_replicate: bool


class Health(TypedDict):
    """How the parts are.

    Attributes:
        status: of the worst one.
        version: of this program.
        uptime_seconds: since the engine's start.
        components: the parts.
        timestamp: now.
    """

    status: Literal["healthy", "degraded", "unhealthy"]
    version: str
    uptime_seconds: float
    components: list[ComponentHealth]
    timestamp: Timestamp


class Liveness(TypedDict):
    """The process runs."""

    status: Literal["ok"]


class Readiness(TypedDict):
    """Whether jobs can be recorded; answered with 503 where they cannot.

    Attributes:
        status: `ok` or `not ready`.
        message: why not; only then.
    """

    status: Literal["ok", "not ready"]
    message: NotRequired[str]


class CircuitBreaker(TypedDict):
    """An API that is left alone for a while after failures.

    Attributes:
        name: `replicate`.
        api_base: the API.
        state: `closed` lets calls through.
        failure_count: in a row.
    """

    name: str
    api_base: str
    state: Literal["closed", "open", "half_open"]
    failure_count: int


class CircuitBreakers(TypedDict):
    """All APIs that were called; `total` counts them."""

    circuit_breakers: list[CircuitBreaker]
    total: int
