"""The calls of the Cloud screen; see `ControlClient.cloud`. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Unpack

from tui.api import paths
from tui.client.call import Call, Caller

if TYPE_CHECKING:
    from tui.api.credentials import (
        TokenChange,
        TokenDeleted,
        TokenKind,
        TokenStates,
        TokenStored,
        TokenValidation,
    )
    from tui.api.diagnostics import (
        DeliveryCheckRequest,
        DeliveryReport,
        DoctorReport,
        Onboarding,
        OnboardingChange,
    )
    from tui.api.network import (
        NetworkChange,
        NetworkReport,
        NetworkState,
        StatusPage,
        StatusPageQuery,
    )
    from tui.api.providers import ProviderConfig, ProviderConfigChange
    from tui.api.settings import AllSettings, SettingsChange, SettingValue
    from tui.api.spending import (
        CostLimit,
        CostLimitChange,
        DaysQuery,
        Defaults,
        DefaultsChange,
        Rates,
        RatesChange,
        SpendingSummary,
    )
    from tui.api.versions import CompareQuery, Pinned, PinRequest, VersionComparison
    from tui.api.webhooks import (
        ExternalWebhookTestReport,
        ExternalWebhookTestRequest,
        WebhookEvents,
        WebhookTestReport,
        WebhookTestRequest,
    )

_PROVIDER: Final = "replicate"
_SERVICE_SECONDS: Final = 120.0
"""The limit of calls behind which Replicate, the Hub or the keyring is asked."""


class CloudCalls:
    """Money, tokens, trainers, connections, settings.

    A refused field stands in the error's `details["fields"]`, by name.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    # -- money --------------------------------------------------------------------------------

    def spending(self, days: int = 30) -> Call[SpendingSummary]:
        """The standing, the chart of so many days, counts and mean length of jobs."""
        query: DaysQuery = {"days": days}
        return self._caller.call(paths.SPENDING, None, query)

    def limit(self) -> Call[CostLimit]:
        """How the cost limit stands."""
        return self._caller.call(paths.COST_LIMIT)

    def set_limit(self, **values: Unpack[CostLimitChange]) -> Call[CostLimit]:
        """Change the cost limit; what is left out stays."""
        return self._caller.call(paths.SET_COST_LIMIT, values)

    def rates(self) -> Call[Rates]:
        """What each machine costs, as published and as the user says."""
        return self._caller.call(paths.RATES)

    def set_rates(self, rates: RatesChange) -> Call[Rates]:
        """Replace rates by hardware profile; None brings a published one back."""
        return self._caller.call(paths.SET_RATES, rates)

    def reset_rates(self) -> Call[Rates]:
        """Bring all published rates back."""
        return self._caller.call(paths.RESET_RATES)

    # -- tokens -------------------------------------------------------------------------------

    def tokens(self) -> Call[TokenStates]:
        """What is known of each token; a slow keyring is waited for."""
        return self._caller.call(paths.TOKENS, timeout=_SERVICE_SECONDS)

    def set_token(
        self, kind: TokenKind, token: str, *, session_only: bool = False
    ) -> Call[TokenStored]:
        """Store and validate a token.

        The error `keyring_unavailable` (409) says whether the session-only way is open.
        """
        body: TokenChange = {"token": token, "session_only": session_only}
        return self._caller.call(paths.SET_TOKEN, body, kind=kind, timeout=_SERVICE_SECONDS)

    def delete_token(self, kind: TokenKind) -> Call[TokenDeleted]:
        """Forget a stored token."""
        return self._caller.call(paths.DELETE_TOKEN, kind=kind, timeout=_SERVICE_SECONDS)

    def validate_token(self, kind: TokenKind) -> Call[TokenValidation]:
        """Ask the token's service whether it works."""
        return self._caller.call(paths.VALIDATE_TOKEN, kind=kind, timeout=_SERVICE_SECONDS)

    # -- trainers -----------------------------------------------------------------------------

    def compare_versions(
        self, model: str, before: str = "", after: str = ""
    ) -> Call[VersionComparison]:
        """What changed in the inputs of a trainer; without a version the one in use, the newest."""
        query: CompareQuery = {"model": model, "before": before, "after": after}
        return self._caller.call(paths.COMPARE_VERSIONS, None, query, timeout=_SERVICE_SECONDS)

    def pin_version(self, model: str, version: str | None) -> Call[Pinned]:
        """Pin a version (`owner/name:hash` works as the model, too); None follows the newest."""
        body: PinRequest = {"model": model, "version": version}
        return self._caller.call(paths.PIN_VERSION, body, timeout=_SERVICE_SECONDS)

    # -- connections --------------------------------------------------------------------------

    def network(self) -> Call[NetworkState]:
        """The network settings, and the proxy and certificates in use."""
        return self._caller.call(paths.NETWORK)

    def set_network(self, **values: Unpack[NetworkChange]) -> Call[NetworkState]:
        """Change network settings; `ssl_verify=False` needs `confirm=True` beside it."""
        return self._caller.call(paths.SET_NETWORK, values)

    def check_network(self) -> Call[NetworkReport]:
        """Look at every address that the program needs."""
        return self._caller.call(paths.CHECK_NETWORK)

    def status_page(self, *, fresh: bool = False) -> Call[StatusPage]:
        """Replicate's status page, read anew where `fresh`; never fails because of the page."""
        query: StatusPageQuery = {"fresh": "1" if fresh else "0"}
        return self._caller.call(paths.STATUS_PAGE, None, query)

    def check_delivery(self, **values: Unpack[DeliveryCheckRequest]) -> Call[DeliveryReport]:
        """Prove that a way of delivery works."""
        return self._caller.call(paths.CHECK_DELIVERY, values, timeout=90.0)

    def doctor(self) -> Call[DoctorReport]:
        """One line about each thing that the program depends on."""
        return self._caller.call(paths.DOCTOR, timeout=60.0)

    def onboarding(self) -> Call[Onboarding]:
        """A new user's first steps."""
        return self._caller.call(paths.ONBOARDING)

    def change_onboarding(self, **values: Unpack[OnboardingChange]) -> Call[Onboarding]:
        """Mark steps `done`, `skipped` or `reopened`, or the list `finished`."""
        return self._caller.call(paths.CHANGE_ONBOARDING, values)

    # -- settings and webhooks ----------------------------------------------------------------

    def set_defaults(self, **values: Unpack[DefaultsChange]) -> Call[Defaults]:
        """Change what jobs take unless they say otherwise."""
        return self._caller.call(paths.SET_DEFAULTS, values)

    def settings(self) -> Call[AllSettings]:
        """Every setting by name, which ones are changed, and what the file has wrong."""
        return self._caller.call(paths.SETTINGS)

    def change_settings(
        self, values: Mapping[str, SettingValue | None], *, confirm: bool = False
    ) -> Call[AllSettings]:
        """Change settings by name, all or none; None is the default again.

        Switching `network.ssl_verify` or `listener.verify_signatures` off needs `confirm`.
        """
        body: SettingsChange = {"values": dict(values), "confirm": confirm}
        return self._caller.call(paths.CHANGE_SETTINGS, body)

    def webhooks(self) -> Call[WebhookEvents]:
        """The last webhooks, newest first."""
        return self._caller.call(paths.WEBHOOK_EVENTS)

    def provider_settings(self) -> Call[ProviderConfig]:
        """The provider's settings in force, by SimpleTuner's names."""
        call = self._caller.call(paths.PROVIDER_CONFIG, provider=_PROVIDER)
        return call.then(lambda answer: answer["config"])

    def change_provider(self, **values: Unpack[ProviderConfigChange]) -> Call[ProviderConfig]:
        """Change some of the provider's settings; answers all of them."""
        call = self._caller.call(paths.CHANGE_PROVIDER_CONFIG, values, provider=_PROVIDER)
        return call.then(lambda answer: answer["config"])

    def test_webhook(self) -> Call[WebhookTestReport]:
        """Send a signed event through the public URL, and wait until it comes in."""
        body: WebhookTestRequest = {}
        return self._caller.call(paths.TEST_WEBHOOK, body, provider=_PROVIDER, timeout=60.0)

    def test_webhook_from_outside(self) -> Call[ExternalWebhookTestReport]:
        """Let Replicate call the public URL; costs a CPU second, which the user has agreed to."""
        body: ExternalWebhookTestRequest = {"confirm": True}
        return self._caller.call(
            paths.TEST_WEBHOOK_EXTERNAL, body, provider=_PROVIDER, timeout=_SERVICE_SECONDS
        )
