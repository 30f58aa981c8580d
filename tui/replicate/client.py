"""The client of Replicate's HTTP API: account, models, predictions, trainings, files, webhooks.

Source of facts about the API: its OpenAPI description (https://api.replicate.com/openapi.json) and
its documentation (https://replicate.com/docs/reference/http).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tui.replicate.addresses import split_model
from tui.replicate.calls import BaseClient, short
from tui.replicate.create import create_once
from tui.replicate.download import Download, open_download
from tui.replicate.errors import (
    BadAnswerError,
    DamagedUploadError,
    NotFoundError,
    ReplicateError,
)
from tui.replicate.lookup import find_submitted
from tui.replicate.models import (
    Account,
    File,
    Hardware,
    Model,
    Prediction,
    Training,
    Version,
)
from tui.replicate.pages import each, read_rows
from tui.replicate.secret import Secret
from tui.replicate.session import Call
from tui.replicate.upload import FileForm, Progress
from tui.replicate.values import format_time


class ReplicateClient(BaseClient):
    """A client for one token. Use it as an async context manager, or call `aclose`.

    Every call raises subclasses of `ReplicateError`. Idempotent calls are repeated after failures;
    calls that start paid work are repeated only if the service certainly did not receive them.
    """

    # Account and models

    async def account(self) -> Account:
        """Return the account of the token."""
        return await self._get(Account, "the account", self._url("account"))

    async def hardware(self) -> list[Hardware]:
        """Return the available kinds of machines."""
        call = Call("the list of hardware", "GET", self._url("hardware"))
        rows = await self._session.json(call)
        if isinstance(rows, dict):
            rows = rows.get("results")
        if not isinstance(rows, list):
            raise BadAnswerError(f"{self._session.base.service} sent no list of hardware.")
        return read_rows(rows, Hardware, call.what)

    async def model(self, owner_name: str) -> Model:
        """Return a model by `owner/name`."""
        url = self._url("models", *split_model(owner_name))
        return await self._get(Model, f"the model {owner_name}", url)

    def models(self) -> AsyncIterator[Model]:
        """Yield all public models, those with the newest versions first. There are very many."""
        return each(self._session, Call("the list of models", "GET", self._url("models")), Model)

    def search_models(self, text: str) -> AsyncIterator[Model]:
        """Yield public models that match `text`, best first."""
        call = Call(
            "the search for models",
            "QUERY",
            self._url("models"),
            headers={"Content-Type": "text/plain"},
            body=text.encode,
        )
        return each(self._session, call, Model)

    async def readme(self, owner_name: str) -> str:
        """Return a model's README (Markdown)."""
        url = self._url("models", *split_model(owner_name), "readme")
        reply = await self._session.send(Call(f"the README of {owner_name}", "GET", url))
        return reply.body.decode("utf-8", "replace")

    def versions(self, owner_name: str) -> AsyncIterator[Version]:
        """Yield all versions of a model, newest first."""
        url = self._url("models", *split_model(owner_name), "versions")
        return each(self._session, Call(f"the versions of {owner_name}", "GET", url), Version)

    async def version(self, owner_name: str, version_id: str) -> Version:
        """Return a version of a model, with its `openapi_schema`."""
        url = self._url("models", *split_model(owner_name), "versions", version_id)
        return await self._get(Version, f"version {version_id[:12]} of {owner_name}", url)

    # Predictions

    async def create_prediction(
        self,
        *,
        version: str,
        input: Mapping[str, Any],  # noqa: A002  # the API's own word
        webhook: str | None = None,
        webhook_events_filter: Sequence[str] = (),
        cancel_after: int | None = None,
    ) -> Prediction:
        """Start a run, which costs money.

        Sent again only if it certainly did not arrive (no connection, or 429).

        Args:
            version: `64hex` or `owner/name:64hex`.
            input: inputs of the version's schema; values may be `Secret`.
            webhook: https URL that receives events.
            webhook_events_filter: of `start`, `output`, `logs`, `completed`.
            cancel_after: seconds from now, at least 5, after which Replicate cancels it.

        Raises:
            UncertainError: it may have been started. Call `find_submitted` before any further
                attempt. The same holds if this call is cancelled.
        """
        return await create_once(
            self._session,
            Prediction,
            self._url("predictions"),
            {"version": version},
            input,
            webhook=webhook,
            webhook_events_filter=webhook_events_filter,
            cancel_after=cancel_after,
        )

    async def create_deployment_prediction(
        self,
        deployment: str,
        *,
        input: Mapping[str, Any],  # noqa: A002  # the API's own word
        webhook: str | None = None,
        webhook_events_filter: Sequence[str] = (),
        cancel_after: int | None = None,
    ) -> Prediction:
        """Start a run on a deployment (`owner/name`). As `create_prediction`."""
        return await create_once(
            self._session,
            Prediction,
            self._url("deployments", *split_model(deployment), "predictions"),
            {},
            input,
            webhook=webhook,
            webhook_events_filter=webhook_events_filter,
            cancel_after=cancel_after,
        )

    async def get_prediction(self, id_or_url: str) -> Prediction:
        """Return a prediction by its id or by the `get` link of an earlier answer."""
        url = self._resource("predictions", id_or_url)
        return await self._get(Prediction, f"prediction {short(id_or_url)}", url)

    def predictions(
        self, *, created_after: datetime | None = None, created_before: datetime | None = None
    ) -> AsyncIterator[Prediction]:
        """Yield the account's predictions, newest first, all pages. A row may lack its `id`."""
        params = {
            "created_after": format_time(created_after) if created_after else None,
            "created_before": format_time(created_before) if created_before else None,
        }
        url = self._url("predictions", params=params)
        return each(self._session, Call("the list of predictions", "GET", url), Prediction)

    async def cancel_prediction(self, id_or_url: str) -> Prediction:
        """Cancel a prediction; one that has ended already is returned as it is."""
        return await self._cancel(Prediction, "predictions", id_or_url)

    async def find_submitted(
        self,
        *,
        version: str,
        input: Mapping[str, Any],  # noqa: A002  # the API's own word
        since: datetime,
        secret_names: Collection[str] = (),
        patience: float = 10.0,
        clock_offset: timedelta | None = None,
        matches: Callable[[Prediction], bool] | None = None,
    ) -> list[Prediction]:
        """Return predictions that an uncertain create may have started, oldest first.

        A match has the same version, the same input (see `input_fingerprint`; values that are
        `Secret` count as named in `secret_names`) and was created at or after `since`, by our
        clock. Differences between the clocks are corrected.

        Rows of that version and time whose data Replicate has removed cannot be compared. They are
        returned only if there is no match, so check `data_removed`.

        Args:
            version: as given to `create_prediction`.
            input: as given to `create_prediction`; secret values may be left out.
            since: when the create was started.
            secret_names: inputs that do not count.
            patience: seconds to repeat the search without a match: a prediction may appear in the
                list with a delay.
            clock_offset: how far the service's clock was ahead of ours at the time of the create;
                None takes the current offset.
            matches: a better test for a match than version and input.

        Raises:
            BadAnswerError: a page is not a complete list of predictions, so that the absence of a
                match proves nothing.
            ReplicateError: a page could not be fetched, with the same consequence.
        """
        return await find_submitted(
            self._session,
            version=version,
            values=input,
            since=since,
            secret_names=secret_names,
            patience=patience,
            clock_offset=clock_offset,
            matches=matches,
        )

    # Trainings

    async def create_training(
        self,
        owner_name: str,
        version_id: str,
        *,
        destination: str,
        input: Mapping[str, Any],  # noqa: A002  # the API's own word
        webhook: str | None = None,
        webhook_events_filter: Sequence[str] = (),
    ) -> Training:
        """Start a training in Replicate's own sense. As `create_prediction`."""
        return await create_once(
            self._session,
            Training,
            self._url("models", *split_model(owner_name), "versions", version_id, "trainings"),
            {"destination": destination},
            input,
            webhook=webhook,
            webhook_events_filter=webhook_events_filter,
        )

    async def get_training(self, id_or_url: str) -> Training:
        """Return a training by its id or by the `get` link of an earlier answer."""
        url = self._resource("trainings", id_or_url)
        return await self._get(Training, f"training {short(id_or_url)}", url)

    def trainings(self) -> AsyncIterator[Training]:
        """Yield the account's trainings, newest first, all pages."""
        call = Call("the list of trainings", "GET", self._url("trainings"))
        return each(self._session, call, Training)

    async def cancel_training(self, id_or_url: str) -> Training:
        """Cancel a training; one that has ended already is returned as it is."""
        return await self._cancel(Training, "trainings", id_or_url)

    # Files

    async def upload_file(
        self,
        path: Path,
        *,
        filename: str,
        content_type: str = "application/zip",
        metadata: Mapping[str, Any] | None = None,
        progress: Progress | None = None,
        sha256: str = "",
    ) -> File:
        """Upload a file of at most `FILE_LIMIT` bytes; its `url` can be an input of a model.

        Streams from disk. `progress(sent, size)` counts bytes of the file that have been sent.
        Cancelling the task closes the connection and so ends the upload. Size and checksums in the
        answer are compared with the file's; a damaged copy is deleted at the service.

        Args:
            path: the file.
            filename: its name at the service.
            content_type: its MIME type.
            metadata: stored with the file.
            progress: see above.
            sha256: the expected hash in hexadecimal digits; "" accepts the file as it is.

        Raises:
            DamagedUploadError: the service received other content.
            TooLargeError: the file exceeds the limit, found before sending or by the service.
            FileChangedError: the file became shorter meanwhile.
            OSError: the file cannot be read.
        """
        with FileForm(
            path, filename=filename, content_type=content_type, metadata=metadata
        ) as form:
            call = Call(
                f"the upload of {' '.join(filename.split())}",
                "POST",
                self._url("files"),
                headers=form.headers,
                body=lambda: form.body(progress),
                repeatable=False,
                bounded=False,
            )
            file = self._read_answer(File, await self._session.json(call), call.what)
            damage = await asyncio.to_thread(form.damage, file, sha256)
        if damage:
            with contextlib.suppress(ReplicateError):  # nothing uses it, and it expires by itself
                await self.delete_file(file.id)
            raise DamagedUploadError(
                f"{self._session.base.service} did not get {' '.join(filename.split())} as it is: "
                f"{damage}.",
                advice="Nothing was started. Check the disk, the memory and the line (a proxy may "
                "change what passes), then submit it again.",
            )
        return file

    def list_files(self) -> AsyncIterator[File]:
        """Yield the account's uploaded files, all pages."""
        return each(self._session, Call("the list of files", "GET", self._url("files")), File)

    async def get_file(self, id_or_url: str) -> File:
        """Return the metadata of an uploaded file."""
        return await self._get(File, "the file", self._resource("files", id_or_url))

    async def delete_file(self, id_or_url: str) -> None:
        """Delete an uploaded file; a missing one is no error."""
        try:
            await self._session.send(Call("the file", "DELETE", self._resource("files", id_or_url)))
        except NotFoundError:
            return

    def reading(
        self, url: str, *, start: int = 0, stop: int | None = None, etag: str = ""
    ) -> AbstractAsyncContextManager[Download]:
        """Open an output from byte `start` on, at a file route of the API or a delivery host.

        See `open_download`.
        """
        return open_download(self._session, url, start=start, stop=stop, etag=etag)

    # Webhooks

    async def webhook_secret(self) -> Secret:
        """Return the key for `verify_webhook`; there is one for the whole account."""
        call = Call("the webhook secret", "GET", self._url("webhooks", "default", "secret"))
        answer = await self._session.json(call)
        key = answer.get("key") if isinstance(answer, dict) else None
        if not isinstance(key, str) or not key:
            raise BadAnswerError(f"{self._session.base.service} sent no webhook secret.")
        return Secret(key)
