"""The way out: its settings, whether every address answers, and Replicate's status page."""

from __future__ import annotations

from typing import Literal, NotRequired, TypeAlias

from tui.api.base import Timestamp, TypedDict

ProbePhase: TypeAlias = Literal["dns", "tcp", "proxy", "tls", "http"]
"""A step of a connection, in their order."""

_ProxyOrigin = TypedDict("_ProxyOrigin", {"from": str})
_CertificateOrigin = TypedDict(
    "_CertificateOrigin", {"from": Literal["settings", "SSL_CERT_FILE", ""]}
)


class ProxyInUse(_ProxyOrigin):
    """The proxy that clients of this program use.

    Attributes:
        from: `settings`, the name of an environment variable, or empty for none.
        address: `***` stands for a password in it; empty for none.
        password: where the password is kept; empty without one. Only of a proxy of the settings.
        problem: why the keyring did not keep it; else empty. Only of a proxy of the settings.
    """

    address: str
    password: NotRequired[Literal["", "file", "session", "keyring"]]
    problem: NotRequired[str]


class CertificatesInUse(_CertificateOrigin):
    """The certificate authorities that are believed.

    Attributes:
        from: where that is said; empty for the usual ones.
        bundle: the setting, a path; empty for none.
        usual: what is taken without it: a path, or `certifi`.
    """

    bundle: str
    usual: str


class WaysOut(TypedDict):
    """Proxy and certificates in use.

    Attributes:
        proxy: the proxy.
        ca: the certificate authorities.
        tls_verified: whether certificates are checked.
    """

    proxy: ProxyInUse
    ca: CertificatesInUse
    tls_verified: bool


class NetworkInForce(TypedDict):
    """The network settings in force.

    Attributes:
        proxy: the setting; `***` stands for a password in it.
        no_proxy: hosts that are reached directly.
        ca_bundle: path of a PEM file; empty for none.
        ssl_verify: whether certificates are checked.
        timeout: seconds.
    """

    proxy: str
    no_proxy: list[str]
    ca_bundle: str
    ssl_verify: bool
    timeout: float


class NetworkState(NetworkInForce):
    """The network settings in force, and the ways in use.

    Attributes:
        ways: what is in use, the environment's included.
    """

    ways: WaysOut


class NetworkChange(TypedDict, total=False):
    """What of the network settings is to be changed; what is left out stays.

    Attributes:
        proxy: an address; empty for none.
        no_proxy: hosts, also as one text with commas.
        ca_bundle: path of a PEM file; empty for none.
        ssl_verify: false needs `confirm` beside it.
        timeout: seconds, 1 to 600; also as text.
        confirm: the risk is known.
    """

    proxy: str
    no_proxy: list[str] | str
    ca_bundle: str
    ssl_verify: bool
    timeout: float | str
    confirm: bool


class ProbeFailure(TypedDict):
    """Why an address cannot be reached.

    Attributes:
        phase: in which step it failed.
        message: what happened.
        advice: what to do.
    """

    phase: ProbePhase
    message: str
    advice: str


class PeerCertificate(TypedDict, total=False):
    """The TLS session of an address; empty for plain HTTP.

    Attributes:
        protocol: such as `TLSv1.3`.
        issuer: of the certificate; empty where it was not checked.
        expires: until when it is good, such as `May 12 08:00:00 2027 GMT`; likewise.
        verified: whether it was checked.
    """

    protocol: str
    issuer: str
    expires: str
    verified: Literal["yes", "no"]


EndpointName: TypeAlias = Literal["api", "delivery", "web", "status", "webhook_secret"]


class ProbedEndpoint(TypedDict):
    """One address and how it answers.

    Attributes:
        id: short name.
        name: as people know it.
        url: what was asked for.
        purpose: what it is for.
        required: whether jobs need it.
        ok: whether it answers.
        slow: it answers after two seconds or more.
        milliseconds: all phases together.
        phases: milliseconds of each phase that was gone through.
        via: `direct`, host and port of the proxy, or empty where that is not told.
        status: HTTP status of the answer.
        tls: the TLS session.
        error: why it does not answer; null where it does.
    """

    id: EndpointName
    name: str
    url: str
    purpose: str
    required: bool
    ok: bool
    slow: bool
    milliseconds: float
    phases: dict[ProbePhase, float]
    via: str
    status: int | None
    tls: PeerCertificate
    error: ProbeFailure | None


class EgressRules(TypedDict):
    """What a strict firewall has to let out.

    Attributes:
        ranges: Replicate's networks.
        names: the same by name.
        port: of all of them.
    """

    ranges: list[str]
    names: list[str]
    port: int


class NetworkReport(WaysOut):
    """Whether everything is connected; also the fact `network`.

    Attributes:
        api_base: the API that was looked at.
        endpoints: each address.
        ok: whether all that jobs need answer.
        warnings: what is odd about the settings.
        egress: for strict firewalls.
        checked_at: when.
    """

    api_base: str
    endpoints: list[ProbedEndpoint]
    ok: bool
    warnings: list[str]
    egress: EgressRules
    checked_at: Timestamp


# -- the status page -----------------------------------------------------------------------------

ServiceState: TypeAlias = Literal["operational", "degraded", "outage", "maintenance", "unknown"]


class StatusPageQuery(TypedDict, total=False):
    """`1` reads the page anew; else an answer of the last minute will do."""

    fresh: Literal["0", "1"]


class PageComponent(TypedDict):
    """A component by the page's names, such as `degraded_performance`."""

    name: str
    state: str


class PageEvent(TypedDict):
    """An incident or a maintenance, in the page's words; what is not told is empty."""

    name: str
    status: str
    impact: str
    url: str
    message: str
    started_at: str
    starts_at: str
    ends_at: str
    updated_at: str


class StatusSummary(TypedDict):
    """What Replicate's status page says.

    Attributes:
        state: all together; `unknown` where the page could not be read.
        description: in the page's words; may be empty.
        components: those that the page names.
        gpus: the state of each kind of hardware, as the page's component has it.
        incidents: what is wrong now.
        maintenances: what is being or will be worked on.
        error: why the page could not be read; null where it could.
        read_at: when.
    """

    state: ServiceState
    description: str
    components: list[PageComponent]
    gpus: dict[str, str]
    incidents: list[PageEvent]
    maintenances: list[PageEvent]
    error: str | None
    read_at: Timestamp


class StatusPage(StatusSummary):
    """The same with its source; also the fact `status_page`.

    Attributes:
        page_url: the page.
        source: the path that answered; null where none did.
        api_base: whose page it is.
    """

    page_url: str
    source: str | None
    api_base: str


class ReplicateStatus(TypedDict):
    """The status page in SimpleTuner's shape.

    Attributes:
        operational: null where the page could not be read.
        ongoing_incidents: what is wrong now.
        in_progress_maintenances: what is being worked on.
        scheduled_maintenances: what will be worked on.
        status_page_url: the page.
        error: why it could not be read.
        state: all together.
    """

    operational: bool | None
    ongoing_incidents: list[PageEvent]
    in_progress_maintenances: list[PageEvent]
    scheduled_maintenances: list[PageEvent]
    status_page_url: str
    error: str | None
    state: ServiceState
