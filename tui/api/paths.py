"""The table of routes: what the engine registers and describes, and what the client calls.

An `Endpoint` names shapes and statuses, not handlers: the engine adds those. Three doors serve the
routes: `socket` is the user's Unix socket alone, `both` is that and the listener's TCP address
(there behind an API key), `listener` is the TCP address alone, with a proof of its own (a webhook's
signature, S3's).

The two directions of a failure: an answer of one of `errors`, or of those that any route may give
(`statuses`), is a `tui.api.errors.Failure`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Generic, Literal, NamedTuple, TypeAlias, TypeVar, cast
from urllib.parse import quote, urlencode

from tui.api import (
    artifacts,
    credentials,
    destinations,
    diagnostics,
    engine,
    jobs,
    network,
    planning,
    providers,
    publishing,
    settings,
    spending,
    storage,
    submission,
    transfers,
    versions,
    webhooks,
)
from tui.api.base import Empty, JsonObject

AnswerT = TypeVar("AnswerT")
Method: TypeAlias = Literal["GET", "PUT", "POST", "PATCH", "DELETE", "HEAD"]
Door: TypeAlias = Literal["socket", "both", "listener"]

_VARIABLE: Final = re.compile(r"\{(\w+)(?::([^{}]*))?\}")
_ANY: Final = (400, 500, 503, 507)
"""What every route may answer: something in the path, the query or a header is wrong; a defect; the
engine is about to end; the disk is full."""
_WITH_BODY: Final = (408, 413, 415)
"""The same of routes that take a body: it is too slow, too large, or no JSON."""
_WITH_KEY: Final = (401, 403, 421)
"""The same over TCP: no key, a web page of somebody else's, another server's name."""
_REPLICATE: Final = (401, 402, 403, 404, 413, 429, 502)
"""What calls that ask Replicate pass on."""
_HUB: Final = (401, 409, 502)
"""What calls that ask the Hub pass on."""
_KEYRING: Final = (409,)
"""The keyring did not do it."""


class Endpoint(NamedTuple, Generic[AnswerT]):
    """One operation of the API.

    Attributes:
        method: the HTTP method.
        path: with `{names}` for its variable parts; `{name:.+}` may hold slashes.
        summary: one line.
        answer: shape of a good answer; `bytes` or `str` for one that is not JSON.
        body: shape of the request's JSON body; None for a route that reads none.
        query: shape of the parameters in the query.
        optional: whether the body may be missing.
        status: of a good answer.
        more: further statuses whose answer has the same shape.
        errors: statuses of its own failures, beyond those that any route may have.
        content: content type of a good answer.
        door: who is served.
    """

    method: Method
    path: str
    summary: str
    answer: type[AnswerT]
    body: Any = None
    query: Any = None
    optional: bool = False
    status: int = 200
    more: tuple[int, ...] = ()
    errors: tuple[int, ...] = ()
    content: str = "application/json"
    door: Door = "both"


def statuses(endpoint: Endpoint[Any]) -> tuple[int, ...]:
    """Every status that an operation may answer, ascending."""
    found = {endpoint.status, *endpoint.more, *endpoint.errors, *_ANY}
    if endpoint.body is not None:
        found.update(_WITH_BODY)
    if endpoint.door == "both":
        found.update(_WITH_KEY)
    return tuple(sorted(found))


def variables(endpoint: Endpoint[Any]) -> list[str]:
    """Names of the variable parts of an operation's path."""
    return [name for name, _ in _VARIABLE.findall(endpoint.path)]


def plain(template: str) -> str:
    """A path as OpenAPI spells it: `{name}` for every variable part."""
    return _VARIABLE.sub(r"{\1}", template)


def path(template: str, /, **values: str) -> str:
    """A path with its variable parts filled in and quoted.

    A part cannot leave its place: slashes are quoted unless the template lets it hold some, and
    `.` and `..` are quoted whole, so that nobody takes them for steps up.

    Args:
        template: an endpoint's path.
        values: the variable parts, by name.

    Raises:
        ValueError: a part is missing, empty or not in the template.
    """
    unused = set(values)

    def fill(match: re.Match[str]) -> str:
        name, pattern = match[1], match[2]
        value = values.get(name, "")
        unused.discard(name)
        if not value:
            raise ValueError(f"{template} needs {name}")
        parts = value.split("/") if pattern else [value]
        return "/".join(_quoted(part) for part in parts)

    filled = _VARIABLE.sub(fill, template)
    if unused:
        raise ValueError(f"{template} has no {', '.join(sorted(unused))}")
    return filled


def url(endpoint: Endpoint[Any], query: Mapping[str, Any] | None = None, /, **values: str) -> str:
    """Path and query of a call.

    Args:
        endpoint: the operation.
        query: its parameters, of the shape `endpoint.query`; None is left out, a truth value is
            `true` or `false`.
        values: the variable parts of its path, by name.

    Raises:
        ValueError: see `path`.
    """
    given = {name: _text(value) for name, value in (query or {}).items() if value is not None}
    filled = path(endpoint.path, **values)
    return f"{filled}?{urlencode(given, quote_via=quote)}" if given else filled


def _quoted(part: str) -> str:
    return part.replace(".", "%2E") if part in (".", "..") else quote(part, safe="")


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


# -- the engine ----------------------------------------------------------------------------------

ENGINE_INFO: Final = Endpoint(
    "GET", "/api/engine", "The engine and its listener", engine.EngineInfo, door="socket"
)
SET_SESSION: Final = Endpoint(
    "PUT", "/api/session", "Hand over what a window's environment holds", engine.EngineInfo,
    engine.Session, door="socket",
)  # fmt: skip
SET_FOCUS: Final = Endpoint(
    "PUT", "/api/focus", "Name the job that is looked at", Empty, engine.Focus, door="socket"
)
EVENTS: Final = Endpoint(
    "GET", "/api/events", "Everything that happens, as it happens", bytes,
    content="text/event-stream", door="socket",
)  # fmt: skip
SHUT_DOWN: Final = Endpoint("POST", "/api/shutdown", "End the engine", Empty, door="socket")
API_KEYS: Final = Endpoint(
    "GET", "/api/api-keys", "Keys for the HTTP API", engine.ApiKeys, door="socket"
)
NEW_API_KEY: Final = Endpoint(
    "POST", "/api/api-keys", "Make a key; it is shown this once", engine.ApiKeyMade,
    engine.NewApiKey, optional=True, status=201, door="socket",
)  # fmt: skip
REVOKE_API_KEY: Final = Endpoint(
    "DELETE", "/api/api-keys/{id}", "Revoke a key", engine.ApiKeyRevoked, errors=(404,),
    door="socket",
)  # fmt: skip
NEW_STORAGE_KEY: Final = Endpoint(
    "POST", "/api/storage-keys", "Make a key pair for the user's own S3 tools",
    engine.StorageKeyMade, engine.NewStorageKey, optional=True, status=201, errors=(409,),
    door="socket",
)  # fmt: skip
HEALTH: Final = Endpoint(
    "GET", "/api/cloud/health", "How the parts are", engine.Health, query=engine.HealthQuery,
    errors=_REPLICATE,
)  # fmt: skip
LIVENESS: Final = Endpoint(
    "GET", "/api/cloud/health/live", "Answers while the process runs", engine.Liveness
)
READINESS: Final = Endpoint(
    "GET", "/api/cloud/health/ready", "503 while jobs cannot be recorded", engine.Readiness,
    more=(503,),
)  # fmt: skip
CIRCUIT_BREAKERS: Final = Endpoint(
    "GET", "/api/cloud/circuit-breakers", "APIs that are left alone after failures",
    engine.CircuitBreakers,
)  # fmt: skip
OPENAPI: Final = Endpoint("GET", "/api/openapi.json", "This description", JsonObject)

# -- jobs ----------------------------------------------------------------------------------------

_JOB: Final = "/api/cloud/jobs/{job_id}"
JOBS: Final = Endpoint(
    "GET", "/api/cloud/jobs", "Jobs, newest first", jobs.JobList, query=jobs.JobsQuery
)
CHECK_JOB: Final = Endpoint(
    "POST", "/api/cloud/check", "Everything that can be known about a job before it costs anything",
    submission.CheckReport, submission.Draft, errors=(*_REPLICATE, 409, 422),
)  # fmt: skip
SUBMIT_JOB: Final = Endpoint(
    "POST", "/api/cloud/jobs/submit",
    "Start a job: a draft is answered with 201, SimpleTuner's form with 200",
    submission.JobSubmitted, submission.SubmitRequest, submission.SubmitQuery, status=201,
    more=(200,), errors=(*_REPLICATE, 409, 422),
)  # fmt: skip
SYNC_JOBS: Final = Endpoint(
    "POST", "/api/cloud/jobs/sync", "Bring in jobs that were started elsewhere on the account",
    jobs.JobsSynced, errors=_REPLICATE,
)  # fmt: skip
JOB: Final = Endpoint("GET", _JOB, "One job with its files", jobs.JobAnswer, errors=(404,))
JOB_LOG: Final = Endpoint(
    "GET", f"{_JOB}/logs", "A job's log as far as it is known", jobs.JobLogText, errors=(404,)
)
JOB_LOG_STREAM: Final = Endpoint(
    "GET", f"{_JOB}/logs/stream",
    "A job's log line by line while it grows; ends with the event `done`", bytes,
    query=jobs.LogStreamQuery, errors=(404,), content="text/event-stream",
)  # fmt: skip
JOB_PROGRESS: Final = Endpoint(
    "GET", f"{_JOB}/inline-progress", "Where a job stands, in a line", jobs.InlineProgress,
    errors=(404,),
)  # fmt: skip
CANCEL_JOB: Final = Endpoint(
    "POST", f"{_JOB}/cancel", "Cancel a job", jobs.JobCancelled, errors=(*_REPLICATE, 409)
)
COLLECT_JOB: Final = Endpoint(
    "POST", f"{_JOB}/collect", "Fetch and verify what a job produced", jobs.Collected,
    errors=_REPLICATE,
)  # fmt: skip
DELETE_JOB: Final = Endpoint(
    "DELETE", _JOB, "Drop a finished job's record; files stay", jobs.JobDeleted, errors=(404,)
)
RECOMMEND: Final = Endpoint(
    "POST", "/api/engine/recommended", "The way for a draft's results that is most likely to work",
    submission.Recommended, submission.Draft, errors=(404, 409), door="socket",
)  # fmt: skip

# -- before a job --------------------------------------------------------------------------------

HARDWARE_OPTIONS: Final = Endpoint(
    "GET", "/api/cloud/hardware-options", "Machines and their prices", planning.HardwareOptions
)
AVAILABLE_CONFIGS: Final = Endpoint(
    "GET", "/api/cloud/available-configs", "Configs at hand", planning.AvailableConfigs,
    query=planning.ConfigsQuery,
)  # fmt: skip
COST_ESTIMATE: Final = Endpoint(
    "POST", "/api/cloud/cost-estimate", "What a job may cost, from the jobs of the last 90 days",
    planning.PastCostEstimate, list[Any], optional=True,
)  # fmt: skip
GIT_STATE: Final = Endpoint(
    "GET", "/api/cloud/pre-submit-check", "Whether the config's folder is in git, and clean",
    planning.GitState, query=planning.GitQuery,
)  # fmt: skip

# -- the provider --------------------------------------------------------------------------------

_PROVIDER: Final = "/api/cloud/providers/{provider}"
_CHANGE: Final = "Change some settings; ssl_verify false needs confirm true beside it"
PROVIDERS: Final = Endpoint("GET", "/api/cloud/providers", "Providers", providers.ProviderList)
PROVIDER: Final = Endpoint(
    "GET", _PROVIDER, "The provider's settings", providers.ProviderConfigAnswer, errors=(404,)
)
CHANGE_PROVIDER: Final = Endpoint(
    "PUT", _PROVIDER, _CHANGE, providers.ProviderConfigAnswer, providers.ProviderConfigChange,
    errors=(404,),
)  # fmt: skip
PROVIDER_CONFIG: Final = PROVIDER._replace(path=f"{_PROVIDER}/config")
CHANGE_PROVIDER_CONFIG: Final = CHANGE_PROVIDER._replace(path=f"{_PROVIDER}/config")
PROVIDER_ADVANCED: Final = Endpoint(
    "GET", f"{_PROVIDER}/advanced", "Network settings", providers.ProviderAdvanced, errors=(404,)
)
CHANGE_PROVIDER_ADVANCED: Final = Endpoint(
    "PATCH", f"{_PROVIDER}/advanced", _CHANGE, providers.ProviderAdvanced,
    providers.ProviderConfigChange, errors=(404,),
)  # fmt: skip
MODEL_VERSIONS: Final = Endpoint(
    "GET", f"{_PROVIDER}/versions", "A trainer's versions, newest first", providers.ModelVersions,
    query=providers.ModelQuery, errors=_REPLICATE,
)  # fmt: skip
VALIDATE_ACCOUNT: Final = Endpoint(
    "GET", f"{_PROVIDER}/validate", "Whether the token works", providers.AccountValidation,
    errors=(404,),
)  # fmt: skip
BILLING: Final = Endpoint(
    "GET", f"{_PROVIDER}/billing", "What was spent", providers.Billing, errors=(401, 404)
)
_PROVIDER_TOKEN: Final = "/api/cloud/providers/replicate/token"  # noqa: S105  a path
SAVE_PROVIDER_TOKEN: Final = Endpoint(
    "PUT", _PROVIDER_TOKEN, "Keep a token in the system's keyring", providers.TokenAnswer,
    providers.TokenSave, errors=_KEYRING,
)  # fmt: skip
DELETE_PROVIDER_TOKEN: Final = Endpoint(
    "DELETE", _PROVIDER_TOKEN, "Forget the token in the keyring", providers.TokenAnswer,
    errors=_KEYRING,
)  # fmt: skip

# -- money ---------------------------------------------------------------------------------------

METRICS: Final = Endpoint(
    "GET", "/api/cloud/metrics", "Costs and outcomes", spending.Metrics, query=spending.DaysQuery
)
PROMETHEUS: Final = Endpoint(
    "GET", "/api/cloud/metrics/prometheus", "Figures in Prometheus' text format", str,
    content="text/plain",
)  # fmt: skip
COST_LIMIT_STATUS: Final = Endpoint(
    "GET", "/api/cloud/cost-limit/status", "How the cost limit stands", spending.CostLimit,
    query=spending.CostLimitQuery,
)  # fmt: skip
REFRESH_BALANCE: Final = Endpoint(
    "POST", "/api/cloud/billing/refresh", "Ask for the balance", spending.BalanceRefreshed
)
SPENDING: Final = Endpoint(
    "GET", "/api/engine/spending", "The standing, the chart, counts and lengths",
    spending.SpendingSummary, query=spending.DaysQuery, door="socket",
)  # fmt: skip
COST_LIMIT: Final = Endpoint(
    "GET", "/api/engine/limit", "How the cost limit stands", spending.CostLimit, door="socket"
)
SET_COST_LIMIT: Final = Endpoint(
    "PUT", "/api/engine/limit", "Change the cost limit", spending.CostLimit,
    spending.CostLimitChange, optional=True, door="socket",
)  # fmt: skip
SET_DEFAULTS: Final = Endpoint(
    "PUT", "/api/engine/defaults", "Change what jobs take unless they say otherwise",
    spending.Defaults, spending.DefaultsChange, optional=True, door="socket",
)  # fmt: skip
RATES: Final = Endpoint(
    "GET", "/api/engine/rates", "All machines' rates", spending.Rates, door="socket"
)
SET_RATES: Final = Endpoint(
    "PUT", "/api/engine/rates", "Replace rates", spending.Rates, spending.RatesChange,
    optional=True, door="socket",
)  # fmt: skip
RESET_RATES: Final = Endpoint(
    "DELETE", "/api/engine/rates", "Bring all published rates back", spending.Rates, door="socket"
)

# -- tokens and versions -------------------------------------------------------------------------

_TOKEN: Final = "/api/engine/tokens/{kind}"  # noqa: S105  a path
TOKENS: Final = Endpoint(
    "GET", "/api/engine/tokens", "What is known of each token", credentials.TokenStates,
    door="socket",
)  # fmt: skip
SET_TOKEN: Final = Endpoint(
    "PUT", _TOKEN, "Keep a token, and see whether it works", credentials.TokenStored,
    credentials.TokenChange, errors=(404, *_KEYRING), door="socket",
)  # fmt: skip
DELETE_TOKEN: Final = Endpoint(
    "DELETE", _TOKEN, "Forget a token", credentials.TokenDeleted, errors=(404, *_KEYRING),
    door="socket",
)  # fmt: skip
VALIDATE_TOKEN: Final = Endpoint(
    "GET", f"{_TOKEN}/validate", "Whether a token works", credentials.TokenValidation,
    errors=(404,), door="socket",
)  # fmt: skip
COMPARE_VERSIONS: Final = Endpoint(
    "GET", "/api/engine/versions/compare", "What changed in the inputs between two versions",
    versions.VersionComparison, query=versions.CompareQuery, errors=_REPLICATE, door="socket",
)  # fmt: skip
PIN_VERSION: Final = Endpoint(
    "PUT", "/api/engine/versions/pin", "Use a certain version from now on, or the newest",
    versions.Pinned, versions.PinRequest, errors=_REPLICATE, door="socket",
)  # fmt: skip

# -- connections ---------------------------------------------------------------------------------

NETWORK: Final = Endpoint(
    "GET", "/api/engine/network", "The network settings, and the ways in use",
    network.NetworkState, door="socket",
)  # fmt: skip
SET_NETWORK: Final = Endpoint(
    "PUT", "/api/engine/network", "Change the way out; ssl_verify false needs confirm true",
    network.NetworkState, network.NetworkChange, optional=True, door="socket",
)  # fmt: skip
CHECK_NETWORK: Final = Endpoint(
    "POST", "/api/engine/network/check", "Look at every address", network.NetworkReport,
    door="socket",
)  # fmt: skip
STATUS_PAGE: Final = Endpoint(
    "GET", "/api/engine/status-page", "What Replicate's status page says", network.StatusPage,
    query=network.StatusPageQuery, door="socket",
)  # fmt: skip
REPLICATE_STATUS: Final = Endpoint(
    "GET", "/api/cloud/replicate/status", "What Replicate's status page says",
    network.ReplicateStatus,
)  # fmt: skip
SYSTEM_STATUS: Final = REPLICATE_STATUS._replace(path="/api/cloud/system-status")
CHECK_DELIVERY: Final = Endpoint(
    "POST", "/api/engine/delivery/check", "Prove a way of delivery", diagnostics.DeliveryReport,
    diagnostics.DeliveryCheckRequest, optional=True, door="socket",
)  # fmt: skip
DOCTOR: Final = Endpoint(
    "GET", "/api/engine/doctor", "A line about each thing the program stands on",
    diagnostics.DoctorReport, door="socket",
)  # fmt: skip
ONBOARDING: Final = Endpoint(
    "GET", "/api/engine/onboarding", "A new user's first steps", diagnostics.Onboarding,
    door="socket",
)  # fmt: skip
CHANGE_ONBOARDING: Final = Endpoint(
    "PUT", "/api/engine/onboarding", "Remember how far the user has come",
    diagnostics.Onboarding, diagnostics.OnboardingChange, optional=True, door="socket",
)  # fmt: skip

# -- settings ------------------------------------------------------------------------------------

SETTINGS: Final = Endpoint(
    "GET", "/api/engine/settings", "Every setting", settings.AllSettings, door="socket"
)
CHANGE_SETTINGS: Final = Endpoint(
    "PUT", "/api/engine/settings", "Change settings by name, all or none", settings.AllSettings,
    settings.SettingsChange, door="socket",
)  # fmt: skip

# -- webhooks ------------------------------------------------------------------------------------

WEBHOOK: Final = Endpoint(
    "POST", "/api/webhooks/replicate", "Where Replicate sends webhooks; signed, once each",
    cast("type[webhooks.WebhookAnswer]", webhooks.WebhookAnswer), webhooks.WebhookBody,
    webhooks.WebhookQuery, errors=(401, 403, 429), door="listener",
)  # fmt: skip
WEBHOOK_EVENTS: Final = Endpoint(
    "GET", "/api/engine/webhooks", "The last webhooks", webhooks.WebhookEvents, door="socket"
)
TEST_WEBHOOK: Final = Endpoint(
    "POST", f"{_PROVIDER}/test-webhook", "Send a signed event through the public URL, and wait",
    webhooks.WebhookTestReport, webhooks.WebhookTestRequest, optional=True,
)  # fmt: skip
TEST_WEBHOOK_EXTERNAL: Final = Endpoint(
    "POST", f"{_PROVIDER}/test-webhook-external",
    'Let Replicate call the address; costs a CPU second, so needs {"confirm": true}',
    webhooks.ExternalWebhookTestReport, webhooks.ExternalWebhookTestRequest, optional=True,
    errors=_REPLICATE,
)  # fmt: skip
TEST_WEBHOOK_EITHER: Final = Endpoint(
    "POST", "/api/webhooks/test", "Either of the two tests", webhooks.EitherWebhookTestReport,
    webhooks.EitherWebhookTestRequest, optional=True, errors=_REPLICATE,
)  # fmt: skip
POLLING: Final = Endpoint(
    "GET", "/api/cloud/polling/status", "Whether jobs are polled", webhooks.Polling
)
SET_POLLING: Final = Endpoint(
    "PUT", "/api/cloud/polling/setting",
    "Poll jobs that have a webhook as well, or leave them to it", webhooks.Polling,
    webhooks.PollingChange,
)  # fmt: skip

# -- publishing ----------------------------------------------------------------------------------

PUBLISHING_STATUS: Final = Endpoint(
    "GET", "/api/cloud/publishing/status", "Where results can go", publishing.PublishingStatus
)
PUBLISHING_STATUS_OLD: Final = PUBLISHING_STATUS._replace(path="/api/cloud/publishing-status")
LOCAL_UPLOAD: Final = Endpoint(
    "GET", "/api/cloud/local-upload/config", "Delivery to this machine",
    publishing.LocalUploadConfig,
)  # fmt: skip
VALIDATE_HUB_TOKEN: Final = Endpoint(
    "GET", "/api/publishing/token/validate", "Whether the Hub takes the token",
    publishing.HubTokenValidation,
)  # fmt: skip
SAVE_HUB_TOKEN: Final = Endpoint(
    "POST", "/api/publishing/token/save", "Keep a Hub token in the system's keyring",
    publishing.HubTokenAnswer, publishing.HubTokenSave, errors=_KEYRING,
)  # fmt: skip
DELETE_HUB_TOKEN: Final = Endpoint(
    "POST", "/api/publishing/token/logout", "Forget the Hub token in the keyring",
    publishing.HubTokenAnswer, errors=_KEYRING,
)  # fmt: skip
HUB_NAMESPACES: Final = Endpoint(
    "GET", "/api/publishing/namespaces", "Where the token's owner may publish",
    publishing.HubNamespaces, errors=_HUB,
)  # fmt: skip
CHECK_REPOSITORY: Final = Endpoint(
    "POST", "/api/publishing/repository/check", "Whether a repository is there",
    publishing.RepositoryState, publishing.RepositoryCheck, errors=_HUB,
)  # fmt: skip
LICENCE: Final = Endpoint(
    "POST", "/api/publishing/license",
    "The licence that a family's results inherit; empty when it is not known", publishing.Licence,
    publishing.LicenceQuestion,
)  # fmt: skip
HUB_IDENTITY: Final = Endpoint(
    "GET", "/api/engine/hub/namespaces", "Whose the Hub token is, and where it may publish",
    publishing.HubIdentity, errors=_HUB, door="socket",
)  # fmt: skip
LOOK_AT_REPOSITORY: Final = Endpoint(
    "GET", "/api/engine/hub/repository", "What is known of a repository's name",
    publishing.RepositoryLook, query=publishing.RepositoryQuery, door="socket",
)  # fmt: skip

_DESTINATION: Final = "/api/engine/destinations/{name}"
DESTINATIONS: Final = Endpoint(
    "GET", "/api/engine/destinations", "Places to publish to", destinations.DestinationList,
    door="socket",
)  # fmt: skip
ADD_DESTINATION: Final = Endpoint(
    "POST", "/api/engine/destinations", "Keep a destination; its keys go to the keyring",
    cast("type[destinations.Destination]", destinations.Destination),
    destinations.NewDestination, errors=(*_KEYRING,), door="socket",
)  # fmt: skip
CHANGE_DESTINATION: Final = Endpoint(
    "PUT", _DESTINATION, "Change a destination; what is left out stays",
    cast("type[destinations.Destination]", destinations.Destination),
    destinations.DestinationChange, errors=(404, *_KEYRING), door="socket",
)  # fmt: skip
REMOVE_DESTINATION: Final = Endpoint(
    "DELETE", _DESTINATION, "Forget a destination and its keys; what was published there stays",
    destinations.DestinationRemoved, query=destinations.ForceQuery, errors=(404, 409),
    door="socket",
)  # fmt: skip
TEST_DESTINATION: Final = Endpoint(
    "POST", f"{_DESTINATION}/test", "Try whether publishing there would work",
    destinations.DestinationTested, errors=(404,), door="socket",
)  # fmt: skip
TRANSFERS: Final = Endpoint(
    "GET", "/api/engine/transfers", "All transfers in their order, with their files",
    transfers.TransferList, door="socket",
)  # fmt: skip
PUBLISH: Final = Endpoint(
    "POST", "/api/engine/transfers", "Queue a job's files for a destination", transfers.Transfer,
    transfers.PublishRequest, status=201, errors=(404, 409), door="socket",
)  # fmt: skip
PREVIEW_PUBLISH: Final = Endpoint(
    "POST", "/api/engine/transfers/look", "What publishing would do", transfers.PublishPreview,
    transfers.PublishRequest, errors=(404, 409), door="socket",
)  # fmt: skip
CLEAR_TRANSFERS: Final = Endpoint(
    "POST", "/api/engine/transfers/clear", "Take ended transfers off the list",
    transfers.ListCleared, transfers.ClearListRequest, errors=(404, 409), door="socket",
)  # fmt: skip
ACT_ON_TRANSFER: Final = Endpoint(
    "POST", "/api/engine/transfers/{id}/{action}",
    "Pause, resume, cancel or retry a transfer, or move it in the order", transfers.Transfer,
    errors=(404, 409), door="socket",
)  # fmt: skip
SET_BANDWIDTH: Final = Endpoint(
    "PUT", "/api/engine/transfers/limit", "Change how fast all transfers together may be",
    transfers.Bandwidth, transfers.BandwidthChange, door="socket",
)  # fmt: skip
ARTIFACTS: Final = Endpoint(
    "GET", "/api/engine/artifacts", "What jobs produced and where it is published",
    artifacts.ArtifactList, query=artifacts.ArtifactsQuery, errors=(404,), door="socket",
)  # fmt: skip
CLEAR_FILES: Final = Endpoint(
    "POST", "/api/engine/artifacts/clear", "Delete local copies that are safe elsewhere",
    artifacts.FilesCleared, artifacts.ClearFilesRequest, errors=(404,), door="socket",
)  # fmt: skip

# -- delivered files -----------------------------------------------------------------------------

_STORAGE: Final = "/api/cloud/storage"
_BUCKET: Final = f"{_STORAGE}/{{bucket}}"
_OBJECT: Final = f"{_BUCKET}/{{key:.+}}"
STORED_BUCKETS: Final = Endpoint(
    "GET", _STORAGE, "The bucket that jobs deliver to", storage.StoredBuckets
)
STORED_OBJECTS: Final = Endpoint(
    "GET", _BUCKET, "Delivered files", storage.StoredObjects, query=storage.PrefixQuery,
    errors=(404,),
)  # fmt: skip
STORED_OBJECT: Final = Endpoint(
    "GET", _OBJECT, "One delivered file", bytes, more=(206,), errors=(404, 416),
    content="application/octet-stream",
)  # fmt: skip

ENDPOINTS: Final[tuple[Endpoint[Any], ...]] = tuple(
    value for value in list(globals().values()) if isinstance(value, Endpoint)
)
"""Every operation that answers JSON, text or a stream; more specific paths stand first."""

# -- S3, for trainers and the user's own tools ---------------------------------------------------

_XML: Final = "application/xml"
_S3_ERRORS: Final = (403, 404, 405, 409, 411, 412, 413, 416, 501)
S3_LIST: Final = Endpoint(
    "GET", _BUCKET, "S3: list objects or uploads, or tell location or versioning", bytes,
    query=storage.S3ListQuery, errors=_S3_ERRORS, content=_XML, door="listener",
)  # fmt: skip
S3_HEAD_BUCKET: Final = Endpoint(
    "HEAD", _BUCKET, "S3: whether the bucket is there", bytes, errors=_S3_ERRORS, content=_XML,
    door="listener",
)  # fmt: skip
S3_MAKE_BUCKET: Final = Endpoint(
    "PUT", _BUCKET, "S3: the bucket is there already", bytes, errors=_S3_ERRORS, content=_XML,
    door="listener",
)  # fmt: skip
S3_DELETE_MANY: Final = Endpoint(
    "POST", _BUCKET, "S3: delete several objects", bytes, query=storage.S3DeleteQuery,
    errors=_S3_ERRORS, content=_XML, door="listener",
)  # fmt: skip
S3_GET: Final = Endpoint(
    "GET", _OBJECT, "S3: read an object, or list an upload's parts", bytes,
    query=storage.S3GetQuery, more=(206,), errors=(*_S3_ERRORS, 304),
    content="application/octet-stream", door="listener",
)  # fmt: skip
S3_HEAD: Final = Endpoint(
    "HEAD", _OBJECT, "S3: an object's headers", bytes, more=(206,), errors=(*_S3_ERRORS, 304),
    content="application/octet-stream", door="listener",
)  # fmt: skip
S3_PUT: Final = Endpoint(
    "PUT", _OBJECT, "S3: put an object, or a part of an upload", bytes, query=storage.S3PutQuery,
    errors=_S3_ERRORS, content=_XML, door="listener",
)  # fmt: skip
S3_POST: Final = Endpoint(
    "POST", _OBJECT, "S3: begin or complete an upload", bytes, query=storage.S3PostQuery,
    errors=_S3_ERRORS, content=_XML, door="listener",
)  # fmt: skip
S3_DELETE: Final = Endpoint(
    "DELETE", _OBJECT, "S3: delete an object, or abort an upload", bytes,
    query=storage.S3DeleteObjectQuery, status=204, errors=_S3_ERRORS, content=_XML,
    door="listener",
)  # fmt: skip
S3_ENDPOINTS: Final[tuple[Endpoint[Any], ...]] = (
    S3_LIST, S3_HEAD_BUCKET, S3_MAKE_BUCKET, S3_DELETE_MANY, S3_GET, S3_HEAD, S3_PUT, S3_POST,
    S3_DELETE,
)  # fmt: skip
"""The storage receiver's operations, which answer in S3's own words and check S3's signatures."""
