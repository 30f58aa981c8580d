"""Sets, deletes and validates tokens for windows and scripts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, cast

import httpx

from tui.base.errors import RefusedError
from tui.base.json_types import JsonObject
from tui.base.token_text import NAMES, judge_token
from tui.destinations.hub.errors import refuses_token
from tui.engine.config.live import LiveSettings
from tui.engine.credentials.replicate_clients import ReplicateClients
from tui.engine.credentials.token_store import KINDS, Kind
from tui.engine.runtime.event_bus import EventBus
from tui.replicate.bearer import bearer
from tui.replicate.network import Network, RoutedTransport
from tui.replicate.secret import Secret
from tui.replicate.transport_errors import unreached
from tui.secrets.keyring import SERVICE, KeyringError, StoredToken, delete_token, store_token
from tui.settings.network import network_of
from tui.store.fact_names import scoped
from tui.store.writer import StoreWriter

if TYPE_CHECKING:
    from tui.api import credentials, providers
    from tui.api.providers import AccountValidation

FACT: Final = "tokens"
_HUB_LIMIT: Final = 15.0  # seconds
NO_HUB: Final = "It is not known which Hub is meant."
NO_HUB_ADVICE: Final = (
    "Set HF_ENDPOINT to its address (the sandbox prints its own), and HF_TOKEN, before starting."
)

Validate = Callable[[str], Awaitable["AccountValidation"]]


class TokenService:
    """The engine's calls about tokens. No answer contains a token."""

    def __init__(
        self,
        clients: ReplicateClients,
        live: LiveSettings,
        writer: StoreWriter,
        bus: EventBus,
        validate: Validate,
    ) -> None:
        """Create it.

        Args:
            clients: the tokens and clients.
            live: the settings in force.
            writer: keeps the states for the windows.
            bus: announces changed states.
            validate: validates the Replicate token of an API base.
        """
        self._clients = clients
        self._live = live
        self._writer = writer
        self._bus = bus
        self._validate_replicate = validate

    async def states(self, api_base: str, *, fresh: bool = True) -> credentials.TokenStates:
        """Return the state of each token, by kind; asks the keyring for both at once."""
        token_store = self._clients.tokens
        await asyncio.gather(*(token_store.stored(kind, api_base, fresh=fresh) for kind in KINDS))
        # Both states are read after both look-ups: a token may have changed in between.
        states_by_kind = [await token_store.state(kind, api_base) for kind in KINDS]
        answer: dict[str, credentials.TokenState] = {}
        for kind, state in zip(KINDS, states_by_kind, strict=True):
            answer[kind] = {
                "kind": kind,
                "service": SERVICE,
                "user": f"{kind}@{token_store.host(kind, api_base)}",
                "in_use": state.in_use,
                "environment": state.environment,
                "keyring": state.keyring,
                "session": state.session,
                "backend": state.backend,
                "problem": state.problem,
                "shadowed": state.shadowed,
                "environment_problem": token_store.environment_problem(kind, api_base),
            }
        if any(
            token_store.own(kind, api_base) is not None
            or token_store.environment_problem(kind, api_base)
            for kind in KINDS
        ):
            # Of this call alone, so there is nothing for the windows.
            return cast("credentials.TokenStates", answer)
        fact = scoped(FACT, api_base)
        self._writer.set_fact(fact, {"api_base": api_base, **answer})
        self._bus.publish("fact", name=fact)
        return cast("credentials.TokenStates", answer)

    async def set(
        self, kind: str, api_base: str, text: object, *, session_only: bool = False
    ) -> credentials.TokenStored:
        """Store a token and use it at once.

        Args:
            kind: `replicate` or `huggingface`.
            api_base: the API it is for.
            text: the pasted text; white space and line ends are removed.
            session_only: keep it in the engine's memory instead of the keyring.

        Raises:
            RefusedError: the text is not a token (400), or the keyring did not store it (409,
                `keyring_unavailable`; `session_only` still works).
        """
        name = _kind(kind)
        value, warnings = clean_token(name, text)
        backend = ""
        if session_only:
            self._clients.tokens.give(name, api_base, value, "session")
        else:
            try:
                backend = await store_token(name, self._host(name, api_base), Secret(value))
            except KeyringError as error:
                raise _unavailable(error) from None
            self._clients.tokens.give(name, api_base, "", "session")
            entry = StoredToken(Secret(value), backend=backend)
            self._clients.tokens.keyring_changed(name, api_base, entry)
        state = (await self.states(api_base, fresh=False))[name]
        if state["shadowed"]:
            warnings.append(
                f"The {NAMES[name]} token of the environment is used instead while it is set."
            )
        return {
            "success": True,
            "stored": "session" if session_only else "keyring",
            "backend": backend,
            "warnings": warnings,
            "state": state,
            "validation": await self.validate(name, api_base),
        }

    async def delete(self, kind: str, api_base: str) -> credentials.TokenDeleted:
        """Delete a token from keyring and memory; one of the environment stays in use.

        Raises:
            RefusedError: the keyring cannot be reached (409, `keyring_unavailable`).
        """
        name = _kind(kind)
        had_session = (await self._clients.tokens.state(name, api_base)).session
        self._clients.tokens.give(name, api_base, "", "session")
        if name == "replicate":
            self._clients.tokens.forget_accounts(api_base)
        try:
            deleted = await delete_token(name, self._host(name, api_base))
        except KeyringError as error:
            if not had_session:
                raise _unavailable(error) from None
            deleted = False
        self._clients.tokens.keyring_changed(name, api_base)
        state = (await self.states(api_base))[name]
        return {"success": True, "deleted": deleted or had_session, "state": state}

    async def validate(self, kind: str, api_base: str) -> credentials.TokenValidation:
        """Validate a token: `{valid, username, error, advice, reason, token_source}`."""
        if _kind(kind) == "replicate":
            answer = await self._validate_replicate(api_base)
            return {
                "valid": answer["valid"],
                "username": user["username"] if (user := answer["user_info"]) else None,
                "error": answer.get("error"),
                "advice": answer.get("advice", ""),
                "reason": answer.get("reason"),
                "token_source": answer.get("token_source"),
            }
        return await self._validate_hub(api_base)

    async def hub_token(self, api_base: str) -> Secret | None:
        """Return the Hugging Face token for jobs of an API base; asks the keyring if needed."""
        token = await self._clients.tokens.find("huggingface", api_base)
        return token.secret if token is not None else None

    def hub_endpoint(self, api_base: str) -> str:
        """Return the Hub's address for jobs of an API base, "" when none is known."""
        return self._clients.hub_endpoint(api_base)

    def hub_headers(self, api_base: str, url: str) -> dict[str, str]:
        """Return the authorization header for a call to the Hub; empty without a token."""
        token = self._clients.hub_token(api_base)
        return bearer(token, self._clients.hub_endpoint(api_base), url)

    def _host(self, kind: Kind, api_base: str) -> str:
        return self._clients.tokens.host(kind, api_base)

    async def _validate_hub(self, api_base: str) -> credentials.TokenValidation:
        token = await self._clients.tokens.find("huggingface", api_base)
        source = token.source if token is not None else None
        endpoint = self._clients.hub_endpoint(api_base)
        if not endpoint:
            return _invalid(NO_HUB, NO_HUB_ADVICE, "none", source)
        if token is None:
            refused = bool(self._clients.tokens.refusal("huggingface", api_base))
            wrong = bool(self._clients.tokens.environment_problem("huggingface", api_base))
            message, advice = self._clients.no_hub_token(api_base)
            reason: providers.TokenReason = (
                "rejected" if wrong else "unencrypted" if refused else "none"
            )
            return _invalid(message, advice, reason, source)
        answer = await hub_owner(endpoint, token.secret, network_of(self._live.now.network))
        answer["token_source"] = source
        if answer["valid"]:
            owner = answer["username"] or ""
            self._clients.tokens.learn_owner("huggingface", api_base, token.secret, owner)
        return answer


def _invalid(
    error: str,
    advice: str,
    reason: providers.TokenReason,
    source: providers.TokenSource | None = None,
) -> credentials.TokenValidation:
    return {
        "valid": False, "username": None, "error": error, "advice": advice, "reason": reason,
        "token_source": source, "organisations": [], "role": None,
    }  # fmt: skip


async def hub_owner(endpoint: str, token: Secret, network: Network) -> credentials.TokenValidation:
    """Ask a Hub for the owner of a token, by `GET /api/whoami-v2`; never raises.

    Returns:
        Whether the token is accepted, and whose it is; else why not: `reason` is `rejected`,
        `rate_limited` or `unreachable`. The last two say nothing about the token.
    """
    try:
        async with httpx.AsyncClient(
            transport=RoutedTransport(network), timeout=_HUB_LIMIT
        ) as client:
            url = f"{endpoint}/api/whoami-v2"
            response = await client.get(url, headers=bearer(token, endpoint, url))
        user = response.json() if response.status_code == httpx.codes.OK else {}
    except (httpx.HTTPError, OSError, ValueError) as error:
        failure = unreached(error, endpoint, network, what="the token's owner")
        advice = f"{failure.advice} The token itself may be fine.".strip()
        return _invalid(failure.message, advice, "unreachable")
    if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
        return _invalid("The Hub asks to wait.", "Try again in a minute.", "rate_limited")
    is_known = isinstance(user, dict) and bool(user.get("name"))
    if not is_known and not refuses_token(
        response.status_code, response.headers.get("content-type", "")
    ):
        # A server in trouble, or a page of something in front of it, did not judge the token.
        return _invalid(
            f"The Hub could not be asked about the token (HTTP {response.status_code}).",
            "Try again later. The token itself may be fine.",
            "unreachable",
        )
    if not is_known:
        return _invalid(
            f"The Hub does not accept the token (HTTP {response.status_code}).",
            "Make a new one with write access: https://huggingface.co/settings/tokens",
            "rejected",
        )
    organisations = user.get("orgs")
    return {
        "valid": True,
        "username": str(user["name"]),
        "error": None,
        "advice": "",
        "reason": None,
        "token_source": None,
        "organisations": [
            str(organisation.get("name"))
            for organisation in (organisations if isinstance(organisations, list) else [])
            if isinstance(organisation, dict)
        ],
        "role": _role(user),
    }


def _role(user: JsonObject) -> str | None:
    """Return `read`, `write` or `fineGrained` from the Hub's whoami; None when it is missing."""
    part: object = user
    for name in ("auth", "accessToken", "role"):
        part = part.get(name) if isinstance(part, dict) else None
    return part if isinstance(part, str) else None


def clean_token(kind: Kind, text: object) -> tuple[str, list[str]]:
    """Return a pasted token without what does not belong to it, and notes about it.

    Raises:
        RefusedError: the text cannot be a token of this kind.
    """
    if not isinstance(text, str):
        raise _bad("must be a text")
    judged = judge_token(kind, text)
    if judged.problem:
        raise _bad(judged.problem, judged.advice)
    return judged.value, list(judged.notes)


def _kind(text: str) -> Kind:
    if text not in KINDS:
        raise RefusedError(
            f"There is no token called {text}.", f"It is one of: {', '.join(KINDS)}.", status=404,
            code="not_found",
        )  # fmt: skip
    return text


def _bad(words: str, advice: str = "") -> RefusedError:
    return RefusedError(f"The token {words}.", advice, details={"fields": {"token": words}})


def _unavailable(error: KeyringError) -> RefusedError:
    return RefusedError(
        f"The keyring did not do it: {error.message}.",
        "Unlock or start it and try again, or keep the token for this session only; a token is "
        "never written to a file.",
        status=409,
        code="keyring_unavailable",
        details={"problem": error.message, "session_only": True},
    )
