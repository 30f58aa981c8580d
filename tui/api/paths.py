"""The table of routes: what the engine registers and describes, and what the client calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tui.api.routes import Endpoint

if TYPE_CHECKING:  # the shapes themselves are not needed to make a call
    from tui.api import (
        artifacts,
        check_report,
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
        staging,
        storage,
        submission,
        sweeps,
        transfers,
        versions,
        webhooks,
    )
    from tui.api.base import Empty, JsonObject

_REPLICATE: Final = (401, 402, 403, 404, 413, 429, 502)
"""What calls that ask Replicate pass on."""
_HUB: Final = (401, 409, 502)
"""What calls that ask the Hub pass on."""
_KEYRING: Final = (409,)
"""The keyring did not do it."""

# -- the engine ----------------------------------------------------------------------------------

ENGINE_INFO: Endpoint[None, None, engine.EngineInfo] = Endpoint(
    "GET", "/api/engine", "The engine and its listener", door="socket"
)
SET_SESSION: Endpoint[engine.Session, None, engine.EngineInfo] = Endpoint(
    "PUT", "/api/session", "Hand over what a window's environment holds", door="socket"
)
SET_FOCUS: Endpoint[engine.Focus, None, Empty] = Endpoint(
    "PUT", "/api/focus", "Name the job that is looked at", door="socket"
)
EVENTS: Endpoint[None, None, bytes] = Endpoint(
    "GET",
    "/api/events",
    "Everything that happens, as it happens",
    content="text/event-stream",
    door="socket",
)
GIVE_WAY: Endpoint[None, None, engine.Succession] = Endpoint(
    "POST", "/api/engine/succession", "End the engine if nothing is under way", door="socket"
)
SHUT_DOWN: Endpoint[None, None, Empty] = Endpoint(
    "POST", "/api/shutdown", "End the engine", door="socket"
)
API_KEYS: Endpoint[None, None, engine.ApiKeys] = Endpoint(
    "GET", "/api/api-keys", "Keys for the HTTP API", door="socket"
)
NEW_API_KEY: Endpoint[engine.NewApiKey, None, engine.ApiKeyMade] = Endpoint(
    "POST",
    "/api/api-keys",
    "Make a key; it is shown this once",
    optional=True,
    status=201,
    door="socket",
)
REVOKE_API_KEY: Endpoint[None, None, engine.ApiKeyRevoked] = Endpoint(
    "DELETE", "/api/api-keys/{id}", "Revoke a key", errors=(404,), door="socket"
)
NEW_STORAGE_KEY: Endpoint[engine.NewStorageKey, None, engine.StorageKeyMade] = Endpoint(
    "POST",
    "/api/storage-keys",
    "Make a key pair for the user's own S3 tools",
    optional=True,
    status=201,
    errors=(409,),
    door="socket",
)
STORAGE_KEYS: Endpoint[None, None, engine.StorageKeyList] = Endpoint(
    "GET", "/api/storage-keys", "Key pairs for the user's own S3 tools", door="socket"
)
REVOKE_STORAGE_KEY: Endpoint[None, None, engine.StorageKeyRevoked] = Endpoint(
    "DELETE", "/api/storage-keys/{id}", "Revoke a key pair", errors=(404,), door="socket"
)
HEALTH: Endpoint[None, engine.HealthQuery, engine.Health] = Endpoint(
    "GET", "/api/cloud/health", "How the parts are", errors=_REPLICATE, scope="read"
)
LIVENESS: Endpoint[None, None, engine.Liveness] = Endpoint(
    "GET", "/api/cloud/health/live", "Answers while the process runs", scope="read"
)
READINESS: Endpoint[None, None, engine.Readiness] = Endpoint(
    "GET", "/api/cloud/health/ready", "503 while jobs cannot be recorded", more=(503,), scope="read"
)
CIRCUIT_BREAKERS: Endpoint[None, None, engine.CircuitBreakers] = Endpoint(
    "GET", "/api/cloud/circuit-breakers", "APIs that are left alone after failures", scope="read"
)
OPENAPI: Endpoint[None, None, JsonObject] = Endpoint(
    "GET", "/api/openapi.json", "This description", scope="read"
)

# -- jobs ----------------------------------------------------------------------------------------

_JOB: Final = "/api/cloud/jobs/{job_id}"
JOBS: Endpoint[None, jobs.JobsQuery, jobs.JobList] = Endpoint(
    "GET", "/api/cloud/jobs", "Jobs, newest first", scope="read"
)
CHECK_JOB: Endpoint[submission.Draft, check_report.CheckQuery, check_report.CheckReport] = Endpoint(
    "POST",
    "/api/cloud/check",
    "Everything that can be known about a job before it costs anything",
    errors=(*_REPLICATE, 409, 422),
    scope="submit",
)
CHECK_LATER: Endpoint[None, check_report.LaterQuery, check_report.CheckReport] = Endpoint(
    "GET",
    "/api/cloud/check/{check_id}",
    "A check once more of its proofs are known; it waits for them",
    errors=(*_REPLICATE, 409, 422),
    scope="submit",
)
SUBMIT_JOB: Endpoint[submission.SubmitRequest, submission.SubmitQuery, submission.JobSubmitted] = (
    Endpoint(
        "POST",
        "/api/cloud/jobs/submit",
        "Start a job: a draft is answered with 201, SimpleTuner's form with 200",
        status=201,
        more=(200,),
        errors=(*_REPLICATE, 409, 422),
        scope="submit",
    )
)
SYNC_JOBS: Endpoint[None, None, jobs.JobsSynced] = Endpoint(
    "POST",
    "/api/cloud/jobs/sync",
    "Bring in jobs that were started elsewhere on the account",
    errors=_REPLICATE,
    scope="submit",
)
JOB: Endpoint[None, None, jobs.JobAnswer] = Endpoint(
    "GET", _JOB, "One job with its files", errors=(404,), scope="read"
)
CHANGE_JOB: Endpoint[jobs.JobChange, None, jobs.JobAnswer] = Endpoint(
    "PATCH", _JOB, "Name, note, tags and pin of a job", errors=(404,), scope="submit"
)
JOB_LOG: Endpoint[None, None, jobs.JobLogText] = Endpoint(
    "GET", f"{_JOB}/logs", "A job's log as far as it is known", errors=(404,), scope="read"
)
JOB_LOG_STREAM: Endpoint[None, jobs.LogStreamQuery, bytes] = Endpoint(
    "GET",
    f"{_JOB}/logs/stream",
    "A job's log line by line while it grows; ends with the event `done`",
    errors=(404,),
    content="text/event-stream",
    scope="read",
)
JOB_PROGRESS: Endpoint[None, None, jobs.InlineProgress] = Endpoint(
    "GET", f"{_JOB}/inline-progress", "Where a job stands, in a line", errors=(404,), scope="read"
)
CANCEL_JOB: Endpoint[None, None, jobs.JobCancelled] = Endpoint(
    "POST", f"{_JOB}/cancel", "Cancel a job", errors=(*_REPLICATE, 409), scope="submit"
)
JOB_QUEUE: Endpoint[None, None, jobs.QueueStanding] = Endpoint(
    "GET", f"{_JOB}/queue", "How long a job waits for a machine, and what others cost",
    errors=(404,), scope="read",
)  # fmt: skip
MOVE_JOB: Endpoint[jobs.MoveRequest, None, jobs.JobMoved] = Endpoint(
    "POST",
    f"{_JOB}/move",
    "Move a waiting job to other hardware: the next one is posted once the first is cancelled",
    errors=(*_REPLICATE, 409, 422),
    scope="submit",
)
RERUN_PLAN: Endpoint[None, None, jobs.RerunPlan] = Endpoint(
    "GET", f"{_JOB}/rerun", "How a job can be run again, and what is different today",
    errors=(*_REPLICATE, 409), scope="submit",
)  # fmt: skip
RERUN_JOB: Endpoint[submission.RerunRequest, None, submission.JobSubmitted] = Endpoint(
    "POST",
    f"{_JOB}/rerun",
    "Run a job again, as it ran or as it is today",
    status=201,
    errors=(*_REPLICATE, 409, 422),
    scope="submit",
)
_SWEEPS: Final = "/api/cloud/sweeps"
SWEEPS: Endpoint[None, None, sweeps.SweepList] = Endpoint(
    "GET", _SWEEPS, "Groups of jobs, newest first", scope="read"
)
PLAN_SWEEP: Endpoint[sweeps.SweepDraft, None, sweeps.SweepPlan] = Endpoint(
    "POST", f"{_SWEEPS}/plan", "Check every run of a sweep, and what all of them cost",
    errors=(*_REPLICATE, 409, 422), scope="submit",
)  # fmt: skip
START_SWEEP: Endpoint[sweeps.SweepRequest, None, sweeps.Sweep] = Endpoint(
    "POST", _SWEEPS, "Start a sweep: its jobs are posted a few at a time",
    status=201, errors=(*_REPLICATE, 409, 422), scope="submit",
)  # fmt: skip
SWEEP: Endpoint[None, None, sweeps.Sweep] = Endpoint(
    "GET", f"{_SWEEPS}/{{name}}", "A sweep with its jobs", errors=(404,), scope="read"
)
CANCEL_SWEEP: Endpoint[None, None, sweeps.SweepCancelled] = Endpoint(
    "POST", f"{_SWEEPS}/{{name}}/cancel", "Cancel all jobs of a sweep",
    errors=(*_REPLICATE, 409), scope="submit",
)  # fmt: skip
RESUME_SWEEP: Endpoint[None, None, sweeps.Sweep] = Endpoint(
    "POST", f"{_SWEEPS}/{{name}}/resume", "Go on with a paused sweep",
    errors=(404, 409, 429), scope="submit",
)  # fmt: skip
COLLECT_JOB: Endpoint[None, None, jobs.Collected] = Endpoint(
    "POST",
    f"{_JOB}/collect",
    "Fetch and verify what a job produced",
    errors=_REPLICATE,
    scope="submit",
)
DELETE_JOB: Endpoint[None, None, jobs.JobDeleted] = Endpoint(
    "DELETE", _JOB, "Drop a finished job's record; files stay", errors=(404,), scope="admin"
)
RECOMMEND: Endpoint[submission.Draft, None, submission.Recommended] = Endpoint(
    "POST",
    "/api/engine/recommended",
    "The way for a draft's results that is most likely to work",
    errors=(404, 409),
    door="socket",
)

STAGED: Endpoint[None, None, staging.StagedList] = Endpoint(
    "GET",
    "/api/cloud/staged",
    "Copies of local datasets that jobs read from elsewhere",
    scope="read",
)
REMOVE_STAGED: Endpoint[None, None, staging.StagedRemoved] = Endpoint(
    "DELETE",
    "/api/cloud/staged/{key}",
    "Delete staged data that no queued or running job reads",
    errors=(404, 409, 502),
    scope="admin",
)

# -- before a job --------------------------------------------------------------------------------

HARDWARE_OPTIONS: Endpoint[None, None, planning.HardwareOptions] = Endpoint(
    "GET", "/api/cloud/hardware-options", "Machines and their prices", scope="read"
)
AVAILABLE_CONFIGS: Endpoint[None, planning.ConfigsQuery, planning.AvailableConfigs] = Endpoint(
    "GET", "/api/cloud/available-configs", "Configs at hand", scope="submit"
)
COST_ESTIMATE: Endpoint[planning.Dataloader, None, planning.PastCostEstimate] = Endpoint(
    "POST",
    "/api/cloud/cost-estimate",
    "What a job may cost, from the jobs of the last 90 days",
    optional=True,
    scope="submit",
)
GIT_STATE: Endpoint[None, planning.GitQuery, planning.GitState] = Endpoint(
    "GET",
    "/api/cloud/pre-submit-check",
    "Whether the config's folder is in git, and clean",
    scope="submit",
)

# -- the provider --------------------------------------------------------------------------------

_PROVIDER: Final = "/api/cloud/providers/{provider}"
_CHANGE: Final = "Change some settings; ssl_verify false needs confirm true beside it"
PROVIDERS: Endpoint[None, None, providers.ProviderList] = Endpoint(
    "GET", "/api/cloud/providers", "Providers", scope="read"
)
PROVIDER: Endpoint[None, None, providers.ProviderConfigAnswer] = Endpoint(
    "GET", _PROVIDER, "The provider's settings", errors=(404,), scope="read"
)
CHANGE_PROVIDER: Endpoint[providers.ProviderConfigChange, None, providers.ProviderConfigAnswer] = (
    Endpoint("PUT", _PROVIDER, _CHANGE, errors=(404,), scope="admin")
)
PROVIDER_CONFIG: Endpoint[None, None, providers.ProviderConfigAnswer] = PROVIDER._replace(
    path=f"{_PROVIDER}/config"
)
CHANGE_PROVIDER_CONFIG: Endpoint[
    providers.ProviderConfigChange, None, providers.ProviderConfigAnswer
] = CHANGE_PROVIDER._replace(path=f"{_PROVIDER}/config")
PROVIDER_ADVANCED: Endpoint[None, None, providers.ProviderAdvanced] = Endpoint(
    "GET", f"{_PROVIDER}/advanced", "Network settings", errors=(404,), scope="read"
)
CHANGE_PROVIDER_ADVANCED: Endpoint[
    providers.ProviderConfigChange, None, providers.ProviderAdvanced
] = Endpoint("PATCH", f"{_PROVIDER}/advanced", _CHANGE, errors=(404,), scope="admin")
MODEL_VERSIONS: Endpoint[None, providers.ModelQuery, providers.ModelVersions] = Endpoint(
    "GET",
    f"{_PROVIDER}/versions",
    "A trainer's versions, newest first",
    errors=_REPLICATE,
    scope="read",
)
VALIDATE_ACCOUNT: Endpoint[None, None, providers.AccountValidation] = Endpoint(
    "GET", f"{_PROVIDER}/validate", "Whether the token works", errors=(404,), scope="submit"
)
BILLING: Endpoint[None, None, providers.Billing] = Endpoint(
    "GET", f"{_PROVIDER}/billing", "What was spent", errors=(401, 404), scope="read"
)
_PROVIDER_TOKEN: Final = "/api/cloud/providers/replicate/token"  # noqa: S105  a path
SAVE_PROVIDER_TOKEN: Endpoint[providers.TokenSave, None, providers.TokenAnswer] = Endpoint(
    "PUT", _PROVIDER_TOKEN, "Keep a token in the system's keyring", errors=_KEYRING, scope="admin"
)
DELETE_PROVIDER_TOKEN: Endpoint[None, None, providers.TokenAnswer] = Endpoint(
    "DELETE", _PROVIDER_TOKEN, "Forget the token in the keyring", errors=_KEYRING, scope="admin"
)

# -- money ---------------------------------------------------------------------------------------

METRICS: Endpoint[None, spending.DaysQuery, spending.Metrics] = Endpoint(
    "GET", "/api/cloud/metrics", "Costs and outcomes", scope="read"
)
PROMETHEUS: Endpoint[None, None, str] = Endpoint(
    "GET",
    "/api/cloud/metrics/prometheus",
    "Figures in Prometheus' text format",
    content="text/plain",
    scope="read",
)
COST_LIMIT_STATUS: Endpoint[None, spending.CostLimitQuery, spending.CostLimit] = Endpoint(
    "GET", "/api/cloud/cost-limit/status", "How the cost limit stands", scope="read"
)
REFRESH_BALANCE: Endpoint[None, None, spending.BalanceRefreshed] = Endpoint(
    "POST", "/api/cloud/billing/refresh", "Ask for the balance", scope="submit"
)
SPENDING: Endpoint[None, spending.DaysQuery, spending.SpendingSummary] = Endpoint(
    "GET", "/api/engine/spending", "The standing, the chart, counts and lengths", door="socket"
)
COST_LIMIT: Endpoint[None, None, spending.CostLimit] = Endpoint(
    "GET", "/api/engine/limit", "How the cost limit stands", door="socket"
)
SET_COST_LIMIT: Endpoint[spending.CostLimitChange, None, spending.CostLimit] = Endpoint(
    "PUT", "/api/engine/limit", "Change the cost limit", optional=True, door="socket"
)
SET_DEFAULTS: Endpoint[spending.DefaultsChange, None, spending.Defaults] = Endpoint(
    "PUT",
    "/api/engine/defaults",
    "Change what jobs take unless they say otherwise",
    optional=True,
    door="socket",
)
RATES: Endpoint[None, None, spending.Rates] = Endpoint(
    "GET", "/api/engine/rates", "All machines' rates", door="socket"
)
SET_RATES: Endpoint[spending.RatesChange, None, spending.Rates] = Endpoint(
    "PUT", "/api/engine/rates", "Replace rates", optional=True, door="socket"
)
RESET_RATES: Endpoint[None, None, spending.Rates] = Endpoint(
    "DELETE", "/api/engine/rates", "Bring all published rates back", door="socket"
)

# -- tokens and versions -------------------------------------------------------------------------

_TOKEN: Final = "/api/engine/tokens/{kind}"  # noqa: S105  a path
TOKENS: Endpoint[None, None, credentials.TokenStates] = Endpoint(
    "GET", "/api/engine/tokens", "What is known of each token", door="socket"
)
SET_TOKEN: Endpoint[credentials.TokenChange, None, credentials.TokenStored] = Endpoint(
    "PUT", _TOKEN, "Keep a token, and see whether it works", errors=(404, *_KEYRING), door="socket"
)
DELETE_TOKEN: Endpoint[None, None, credentials.TokenDeleted] = Endpoint(
    "DELETE", _TOKEN, "Forget a token", errors=(404, *_KEYRING), door="socket"
)
VALIDATE_TOKEN: Endpoint[None, None, credentials.TokenValidation] = Endpoint(
    "GET", f"{_TOKEN}/validate", "Whether a token works", errors=(404,), door="socket"
)
COMPARE_VERSIONS: Endpoint[None, versions.CompareQuery, versions.VersionComparison] = Endpoint(
    "GET",
    "/api/engine/versions/compare",
    "What changed in the inputs between two versions",
    errors=_REPLICATE,
    door="socket",
)
PIN_VERSION: Endpoint[versions.PinRequest, None, versions.Pinned] = Endpoint(
    "PUT",
    "/api/engine/versions/pin",
    "Use a certain version from now on, or the newest",
    errors=_REPLICATE,
    door="socket",
)

# -- connections ---------------------------------------------------------------------------------

NETWORK: Endpoint[None, None, network.NetworkState] = Endpoint(
    "GET", "/api/engine/network", "The network settings, and the ways in use", door="socket"
)
SET_NETWORK: Endpoint[network.NetworkChange, None, network.NetworkState] = Endpoint(
    "PUT",
    "/api/engine/network",
    "Change the way out; ssl_verify false needs confirm true",
    optional=True,
    door="socket",
)
CHECK_NETWORK: Endpoint[None, None, network.NetworkReport] = Endpoint(
    "POST", "/api/engine/network/check", "Look at every address", door="socket"
)
STATUS_PAGE: Endpoint[None, network.StatusPageQuery, network.StatusPage] = Endpoint(
    "GET", "/api/engine/status-page", "What Replicate's status page says", door="socket"
)
REPLICATE_STATUS: Endpoint[None, None, network.ReplicateStatus] = Endpoint(
    "GET", "/api/cloud/replicate/status", "What Replicate's status page says", scope="read"
)
SYSTEM_STATUS: Endpoint[None, None, network.ReplicateStatus] = REPLICATE_STATUS._replace(
    path="/api/cloud/system-status"
)
CHECK_DELIVERY: Endpoint[diagnostics.DeliveryCheckRequest, None, diagnostics.DeliveryReport] = (
    Endpoint(
        "POST",
        "/api/engine/delivery/check",
        "Prove a way of delivery",
        optional=True,
        door="socket",
    )
)
DOCTOR: Endpoint[None, None, diagnostics.DoctorReport] = Endpoint(
    "GET", "/api/engine/doctor", "A line about each thing the program stands on", door="socket"
)
ONBOARDING: Endpoint[None, None, diagnostics.Onboarding] = Endpoint(
    "GET", "/api/engine/onboarding", "A new user's first steps", door="socket"
)
CHANGE_ONBOARDING: Endpoint[diagnostics.OnboardingChange, None, diagnostics.Onboarding] = Endpoint(
    "PUT",
    "/api/engine/onboarding",
    "Remember how far the user has come",
    optional=True,
    door="socket",
)

# -- settings ------------------------------------------------------------------------------------

SETTINGS: Endpoint[None, None, settings.AllSettings] = Endpoint(
    "GET", "/api/engine/settings", "Every setting", door="socket"
)
CHANGE_SETTINGS: Endpoint[settings.SettingsChange, None, settings.AllSettings] = Endpoint(
    "PUT", "/api/engine/settings", "Change settings by name, all or none", door="socket"
)

# -- webhooks ------------------------------------------------------------------------------------

WEBHOOK: Endpoint[webhooks.WebhookBody, webhooks.WebhookQuery, webhooks.WebhookAnswer] = Endpoint(
    "POST",
    "/api/webhooks/replicate",
    "Where Replicate sends webhooks; signed, once each",
    errors=(401, 403, 429),
    door="listener",
)
WEBHOOK_EVENTS: Endpoint[None, None, webhooks.WebhookEvents] = Endpoint(
    "GET", "/api/engine/webhooks", "The last webhooks", door="socket"
)
TEST_WEBHOOK: Endpoint[webhooks.WebhookTestRequest, None, webhooks.WebhookTestReport] = Endpoint(
    "POST",
    f"{_PROVIDER}/test-webhook",
    "Send a signed event through the public URL, and wait",
    optional=True,
    scope="admin",
)
TEST_WEBHOOK_EXTERNAL: Endpoint[
    webhooks.ExternalWebhookTestRequest, None, webhooks.ExternalWebhookTestReport
] = Endpoint(
    "POST",
    f"{_PROVIDER}/test-webhook-external",
    'Let Replicate call the address; costs a CPU second, so needs {"confirm": true}',
    optional=True,
    errors=_REPLICATE,
    scope="admin",
)
TEST_WEBHOOK_EITHER: Endpoint[
    webhooks.EitherWebhookTestRequest, None, webhooks.EitherWebhookTestReport
] = Endpoint(
    "POST",
    "/api/webhooks/test",
    "Either of the two tests",
    optional=True,
    errors=_REPLICATE,
    scope="admin",
)
POLLING: Endpoint[None, None, webhooks.Polling] = Endpoint(
    "GET", "/api/cloud/polling/status", "Whether jobs are polled", scope="read"
)
SET_POLLING: Endpoint[webhooks.PollingChange, None, webhooks.Polling] = Endpoint(
    "PUT",
    "/api/cloud/polling/setting",
    "Poll jobs that have a webhook as well, or leave them to it",
    scope="admin",
)

# -- publishing ----------------------------------------------------------------------------------

PUBLISHING_STATUS: Endpoint[None, None, publishing.PublishingStatus] = Endpoint(
    "GET", "/api/cloud/publishing/status", "Where results can go", scope="read"
)
PUBLISHING_STATUS_OLD: Endpoint[None, None, publishing.PublishingStatus] = (
    PUBLISHING_STATUS._replace(path="/api/cloud/publishing-status")
)
LOCAL_UPLOAD: Endpoint[None, None, publishing.LocalUploadConfig] = Endpoint(
    "GET", "/api/cloud/local-upload/config", "Delivery to this machine", scope="read"
)
VALIDATE_HUB_TOKEN: Endpoint[None, None, publishing.HubTokenValidation] = Endpoint(
    "GET", "/api/publishing/token/validate", "Whether the Hub takes the token", scope="submit"
)
SAVE_HUB_TOKEN: Endpoint[publishing.HubTokenSave, None, publishing.HubTokenAnswer] = Endpoint(
    "POST",
    "/api/publishing/token/save",
    "Keep a Hub token in the system's keyring",
    errors=_KEYRING,
    scope="admin",
)
DELETE_HUB_TOKEN: Endpoint[None, None, publishing.HubTokenAnswer] = Endpoint(
    "POST",
    "/api/publishing/token/logout",
    "Forget the Hub token in the keyring",
    errors=_KEYRING,
    scope="admin",
)
HUB_NAMESPACES: Endpoint[None, None, publishing.HubNamespaces] = Endpoint(
    "GET",
    "/api/publishing/namespaces",
    "Where the token's owner may publish",
    errors=_HUB,
    scope="submit",
)
CHECK_REPOSITORY: Endpoint[publishing.RepositoryCheck, None, publishing.RepositoryState] = Endpoint(
    "POST",
    "/api/publishing/repository/check",
    "Whether a repository is there",
    errors=_HUB,
    scope="submit",
)
LICENCE: Endpoint[publishing.LicenceQuestion, None, publishing.Licence] = Endpoint(
    "POST",
    "/api/publishing/license",
    "The licence that a family's results inherit; empty when it is not known",
    scope="read",
)
HUB_IDENTITY: Endpoint[None, None, publishing.HubIdentity] = Endpoint(
    "GET",
    "/api/engine/hub/namespaces",
    "Whose the Hub token is, and where it may publish",
    errors=_HUB,
    door="socket",
)
LOOK_AT_REPOSITORY: Endpoint[None, publishing.RepositoryQuery, publishing.RepositoryLook] = (
    Endpoint(
        "GET", "/api/engine/hub/repository", "What is known of a repository's name", door="socket"
    )
)

_DESTINATION: Final = "/api/engine/destinations/{name}"
DESTINATIONS: Endpoint[None, None, destinations.DestinationList] = Endpoint(
    "GET", "/api/engine/destinations", "Places to publish to", door="socket"
)
ADD_DESTINATION: Endpoint[destinations.NewDestination, None, destinations.Destination] = Endpoint(
    "POST",
    "/api/engine/destinations",
    "Keep a destination; its keys go to the keyring",
    errors=(*_KEYRING,),
    door="socket",
)
CHANGE_DESTINATION: Endpoint[destinations.DestinationChange, None, destinations.Destination] = (
    Endpoint(
        "PUT",
        _DESTINATION,
        "Change a destination; what is left out stays",
        errors=(404, *_KEYRING),
        door="socket",
    )
)
REMOVE_DESTINATION: Endpoint[None, destinations.ForceQuery, destinations.DestinationRemoved] = (
    Endpoint(
        "DELETE",
        _DESTINATION,
        "Forget a destination and its keys; what was published there stays",
        errors=(404, 409),
        door="socket",
    )
)
TEST_DESTINATION: Endpoint[None, None, destinations.DestinationTested] = Endpoint(
    "POST",
    f"{_DESTINATION}/test",
    "Try whether publishing there would work",
    errors=(404,),
    door="socket",
)
TRANSFERS: Endpoint[None, None, transfers.TransferList] = Endpoint(
    "GET", "/api/engine/transfers", "All transfers in their order, with their files", door="socket"
)
PUBLISH: Endpoint[transfers.PublishRequest, None, transfers.Transfer] = Endpoint(
    "POST",
    "/api/engine/transfers",
    "Queue a job's files for a destination",
    status=201,
    errors=(404, 409),
    door="socket",
)
PREVIEW_PUBLISH: Endpoint[transfers.PublishRequest, None, transfers.PublishPreview] = Endpoint(
    "POST",
    "/api/engine/transfers/look",
    "What publishing would do",
    errors=(404, 409),
    door="socket",
)
CLEAR_TRANSFERS: Endpoint[transfers.ClearListRequest, None, transfers.ListCleared] = Endpoint(
    "POST",
    "/api/engine/transfers/clear",
    "Take ended transfers off the list",
    errors=(404, 409),
    door="socket",
)
ACT_ON_TRANSFER: Endpoint[None, None, transfers.Transfer] = Endpoint(
    "POST",
    "/api/engine/transfers/{id}/{action}",
    "Pause, resume, cancel or retry a transfer, or move it in the order",
    errors=(404, 409),
    door="socket",
)
SET_BANDWIDTH: Endpoint[transfers.BandwidthChange, None, transfers.Bandwidth] = Endpoint(
    "PUT",
    "/api/engine/transfers/limit",
    "Change how fast all transfers together may be",
    door="socket",
)
ARTIFACTS: Endpoint[None, artifacts.ArtifactsQuery, artifacts.ArtifactList] = Endpoint(
    "GET",
    "/api/engine/artifacts",
    "What jobs produced and where it is published",
    errors=(404,),
    door="socket",
)
CLEAR_FILES: Endpoint[artifacts.ClearFilesRequest, None, artifacts.FilesCleared] = Endpoint(
    "POST",
    "/api/engine/artifacts/clear",
    "Delete local copies that are safe elsewhere",
    errors=(404,),
    door="socket",
)

# -- delivered files -----------------------------------------------------------------------------

_STORAGE: Final = "/api/cloud/storage"
_BUCKET: Final = f"{_STORAGE}/{{bucket}}"
_OBJECT: Final = f"{_BUCKET}/{{key:.+}}"
STORED_BUCKETS: Endpoint[None, None, storage.StoredBuckets] = Endpoint(
    "GET", _STORAGE, "The bucket that jobs deliver to", scope="read"
)
STORED_OBJECTS: Endpoint[None, storage.PrefixQuery, storage.StoredObjects] = Endpoint(
    "GET", _BUCKET, "Delivered files", errors=(404,), scope="read"
)
STORED_OBJECT: Endpoint[None, None, bytes] = Endpoint(
    "GET",
    _OBJECT,
    "One delivered file",
    more=(206,),
    errors=(404, 416),
    content="application/octet-stream",
    scope="read",
)

ENDPOINTS: Final[tuple[Endpoint[Any, Any, Any], ...]] = tuple(
    value for value in list(globals().values()) if isinstance(value, Endpoint)
)
"""Every operation that answers JSON, text or a stream; more specific paths stand first."""

# -- S3, for trainers and the user's own tools ---------------------------------------------------

_XML: Final = "application/xml"
_S3_ERRORS: Final = (403, 404, 405, 409, 411, 412, 413, 416, 501)
S3_LIST: Endpoint[None, storage.S3ListQuery, bytes] = Endpoint(
    "GET",
    _BUCKET,
    "S3: list objects or uploads, or tell location or versioning",
    errors=_S3_ERRORS,
    content=_XML,
    door="listener",
)
S3_HEAD_BUCKET: Endpoint[None, None, bytes] = Endpoint(
    "HEAD",
    _BUCKET,
    "S3: whether the bucket is there",
    errors=_S3_ERRORS,
    content=_XML,
    door="listener",
)
S3_MAKE_BUCKET: Endpoint[None, None, bytes] = Endpoint(
    "PUT",
    _BUCKET,
    "S3: the bucket is there already",
    errors=_S3_ERRORS,
    content=_XML,
    door="listener",
)
S3_DELETE_MANY: Endpoint[None, storage.S3DeleteQuery, bytes] = Endpoint(
    "POST", _BUCKET, "S3: delete several objects", errors=_S3_ERRORS, content=_XML, door="listener"
)
S3_GET: Endpoint[None, storage.S3GetQuery, bytes] = Endpoint(
    "GET",
    _OBJECT,
    "S3: read an object, or list an upload's parts",
    more=(206,),
    errors=(*_S3_ERRORS, 304),
    content="application/octet-stream",
    door="listener",
)
S3_HEAD: Endpoint[None, None, bytes] = Endpoint(
    "HEAD",
    _OBJECT,
    "S3: an object's headers",
    more=(206,),
    errors=(*_S3_ERRORS, 304),
    content="application/octet-stream",
    door="listener",
)
S3_PUT: Endpoint[None, storage.S3PutQuery, bytes] = Endpoint(
    "PUT",
    _OBJECT,
    "S3: put an object, or a part of an upload",
    errors=_S3_ERRORS,
    content=_XML,
    door="listener",
)
S3_POST: Endpoint[None, storage.S3PostQuery, bytes] = Endpoint(
    "POST",
    _OBJECT,
    "S3: begin or complete an upload",
    errors=_S3_ERRORS,
    content=_XML,
    door="listener",
)
S3_DELETE: Endpoint[None, storage.S3DeleteObjectQuery, bytes] = Endpoint(
    "DELETE",
    _OBJECT,
    "S3: delete an object, or abort an upload",
    status=204,
    errors=_S3_ERRORS,
    content=_XML,
    door="listener",
)
S3_ENDPOINTS: Final[tuple[Endpoint[Any, Any, Any], ...]] = (
    S3_LIST, S3_HEAD_BUCKET, S3_MAKE_BUCKET, S3_DELETE_MANY, S3_GET, S3_HEAD, S3_PUT, S3_POST,
    S3_DELETE,
)  # fmt: skip
"""The storage receiver's operations, which answer in S3's own words and check S3's signatures."""
