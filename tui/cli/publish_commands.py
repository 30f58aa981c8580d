"""`publish`, `artifacts`, `transfers` and `destinations`."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Final, cast

from tui.base import formatting
from tui.base.errors import ApiError
from tui.cli import context, destination_edits, exit_codes
from tui.cli.artifact_page import artifact_lines
from tui.cli.destination_grammar import TARGETS, full_path
from tui.cli.failures import failed, wrong_usage
from tui.cli.output import say, say_json, table, tell
from tui.cli.signals import goes_on
from tui.client.errors import ControlError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tui.api.destinations import DestinationTested, LastTest, ListedDestination
    from tui.api.events import TransferEvent
    from tui.api.transfers import PublishOptions, PublishPreview, Transfer, TransferState
    from tui.client.client import ControlClient

_ENDS: Final = ("done", "unverified", "failed", "cancelled", "paused")
_REFUSED: Final = frozenset({"credentials", "permission", "token"})
"""Kinds of trouble, and steps of a test, that concern a token or keys."""
_BAR_WIDTH: Final = 24
_NO_DESTINATIONS: Final = (
    "No destinations yet. Add one with: simpletuner-tui destinations add NAME --kind hub|s3|folder"
)


def publish(options: argparse.Namespace) -> int:
    """Queue a job's files for a place; with --wait stay until they are there."""
    to = _target(options.to)
    engine = context.engine()
    wish: PublishOptions = {
        "card": options.card, "overwrite_card": options.overwrite_card,
        "overwrite": options.overwrite,
    }  # fmt: skip
    if options.public:
        wish["private"] = False
    if options.checkpoint is not None:
        step = options.checkpoint
        wish["checkpoint"] = int(step) if step.isdecimal() else step
    if not options.overwrite:
        preview = engine.publishing.look_ahead(options.id, to, **wish).result()
        if preview["replaces"]:
            raise _would_replace(preview)
    transfer = engine.publishing.publish(options.id, to, **wish).result()
    if options.public:
        _tell_public(engine, transfer["target"])
    if options.wait:
        with goes_on(
            "The transfer goes on.", "Look at it with: simpletuner-tui transfers", transfer
        ):
            transfer = _wait(engine, transfer["transfer_id"])
    status = status_of(transfer, waited=options.wait)
    if options.json:
        message = transfer["message"] or _state_label(transfer["state"])
        code = transfer["kind"] or transfer["state"]
        say_json(
            failed(transfer, code, message, transfer["advice"])
            if status else transfer
        )  # fmt: skip
    else:
        say(_line(transfer))
        for note in transfer["notes"]:
            tell(note)
    return status


def status_of(transfer: Transfer, *, waited: bool) -> int:
    """The exit status of a transfer; a folder that refuses writing needs no other token or keys."""
    state = transfer["state"]
    if state == "unverified":
        return exit_codes.UNVERIFIED
    if state not in ("failed", "cancelled") and not (waited and state == "paused"):
        return exit_codes.FINE
    refused = transfer["kind"] in _REFUSED and not transfer["target"].startswith("dir:")
    return exit_codes.NOT_AUTHORISED if refused else exit_codes.FAILED


def _target(text: str) -> str:
    """A place as the engine takes it: a folder by its whole path.

    Raises:
        ApiError: it is none. An empty folder would be the working directory.
    """
    text = text.strip()
    if not text:
        raise wrong_usage("--to says nothing.", TARGETS)
    if not text.startswith("dir:"):
        return text
    if not text[4:].strip():
        raise wrong_usage("--to dir: needs a folder, such as dir:/models or dir:.", TARGETS)
    return f"dir:{full_path(text[4:])}"


def _would_replace(preview: PublishPreview) -> ApiError:
    """The refusal to replace other files; nothing is queued."""
    names = preview["replaces"]
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ApiError(
        f"Other files of the same names lie at {preview['target']}: {', '.join(names[:5])}{more}.",
        "Nothing was sent. Publish to another folder, or let them be replaced: --overwrite",
        status=409,
        code="taken",
        details={"replaces": names},
    )


def _tell_public(engine: ControlClient, target: str) -> None:
    """Say where --public changes nothing; the transfer goes on."""
    kind, _, repo = target.partition(":")
    if kind != "hub":
        tell("--public is for a new Hub repository; it changes nothing here.")
        return
    try:
        repository = engine.publishing.check_repository(repo).result()
    except ControlError:  # the transfer has the same trouble and says so
        return
    if repository["private"]:
        tell(f"{repo} is there already and stays private: --public counts when it is made.")


def _wait(engine: ControlClient, transfer_id: str) -> Transfer:
    """Follow the engine's events to the end of a transfer.

    A terminal gets a bar, a log gets a line for each thing that is waited for.
    """
    transfer = _transfer(engine, transfer_id)
    stream = engine.events_blocking()
    shown = sys.stderr.isatty()
    told = ""
    if ahead := transfer.get("ahead"):
        tell(f"{formatting.plural(ahead, 'transfer')} before it in the queue.")
    try:
        for event in stream:
            if event.kind == "transfer" and event.data["transfer_id"] == transfer_id:
                progress = cast("TransferEvent", event.data)
                if shown:
                    sys.stderr.write(f"\r\x1b[2K{formatting.plain(_bar(progress))}")
                    sys.stderr.flush()
                if progress["state"] not in _ENDS:
                    # The message of a failure stays while the next try runs.
                    words = _waits_for(progress) if progress["retry_at"] else told
                    if not shown and words != told:
                        told = words
                        tell(words)
                    continue
            elif event.kind not in ("resync", "beat"):
                continue
            transfer = _transfer(engine, transfer_id)
            if transfer["state"] in _ENDS:
                break
    finally:
        stream.close()
        if shown:
            sys.stderr.write("\r\x1b[2K")
    return transfer


def _transfer(engine: ControlClient, transfer_id: str) -> Transfer:
    items = engine.publishing.transfers().result()
    return next(item for item in items if item["transfer_id"] == transfer_id)


def _bar(progress: TransferEvent) -> str:
    done, total = progress["done"], progress["total"]
    if not total:
        return _waits_for(progress)
    full = min(_BAR_WIDTH, _BAR_WIDTH * done // total)
    line = f"{formatting.size(done)} of {formatting.size(total)}"
    if progress["bytes_per_second"]:
        line += f", {formatting.size(progress['bytes_per_second'])}/s"
    if progress["eta_seconds"] is not None:
        line += f", {formatting.duration(progress['eta_seconds'])} left"
    trouble = _waits_for(progress) if progress["message"] else ""
    return f"[{'#' * full}{'.' * (_BAR_WIDTH - full)}] {line} {trouble}".rstrip()


def _waits_for(progress: TransferEvent) -> str:
    """What a transfer waits for, and until when."""
    if progress["retry_at"] is not None:
        again = formatting.second(datetime.fromisoformat(progress["retry_at"]))
        return f"{progress['message']} Tried again at {again}."
    return progress["message"] or f"{_state_label(progress['state'])} …"


def _line(transfer: Transfer) -> str:
    line = f"{transfer['transfer_id']}  {_state_label(transfer['state'])}  {transfer['target']}"
    if transfer["message"]:
        line += f"  {transfer['message']} {transfer['advice']}".rstrip()
    return f"{line}  {transfer['link']}".rstrip()


def _state_label(state: TransferState) -> str:
    """A state as the screen calls it; JSON has the engine's names."""
    words = {"queued": "waiting", "running": "sending", "unverified": "sent, cannot be verified"}
    return words.get(state, state)


def transfers(options: argparse.Namespace) -> int:
    """List transfers, act on one, or take ended ones off the list."""
    if options.action == "clear":
        return _clear(options)
    if options.action is not None and not options.id:
        raise wrong_usage(f"transfers {options.action} needs the id of a transfer.")
    engine = context.engine()
    if options.action is not None:
        changed = engine.publishing.act(options.id, options.action).result()
        if options.json:
            say_json(changed)
        else:
            say(f"{changed['transfer_id']}: {options.action}")
        return exit_codes.FINE
    items = engine.publishing.transfers().result()
    if options.json:
        say_json({"transfers": items})
        return exit_codes.FINE
    if not items:
        say("No transfers yet. Publish a job's files with: simpletuner-tui publish ID --to PLACE")
        return exit_codes.FINE
    store = context.reader()
    rows = [["ID", "JOB", "STATE", "DONE", "OF", "TO", ""]]
    for item in items:
        job = store.job(item["job_id"])
        rows.append(
            [item["transfer_id"], job.name if job is not None else item["job_id"],
             _state_label(item["state"]), formatting.size(item["done_bytes"]),
             formatting.size(item["total_bytes"]), item["target"],
             f"{item['message']} {item['advice']}".strip() or item["link"]]
        )  # fmt: skip
    for line in table(rows, frozenset({3, 4})):
        say(line)
    return exit_codes.FINE


def _clear(options: argparse.Namespace) -> int:
    cleared = context.engine().publishing.clear_list(options.id or "").result()
    if options.json:
        say_json({"cleared": cleared})
    else:
        say(f"{formatting.plural(len(cleared), 'transfer')} taken off the list.")
    return exit_codes.FINE


def artifacts(options: argparse.Namespace) -> int:
    """List what jobs produced, and where it is published."""
    from tui.cli.store_answers import artifacts_of_jobs

    jobs = artifacts_of_jobs(options.id or "")
    if options.json:
        say_json({"jobs": jobs})
        return exit_codes.FINE
    for line in artifact_lines(jobs):
        say(line)
    return exit_codes.FINE


def destinations(options: argparse.Namespace) -> int:
    """List destinations, or add, change, test or remove one."""
    if options.action != "list" and not options.name:
        raise wrong_usage(f"destinations {options.action} needs a name.")
    engine = context.engine()
    publishing, status = engine.publishing, exit_codes.FINE
    answer: Mapping[str, object]
    if options.action == "list":
        records = publishing.destinations().result()
        answer = {"destinations": records}
        lines = _destination_table(records) if records else [_NO_DESTINATIONS]
    elif options.action == "add":
        added, changed = destination_edits.add(engine, options)
        answer = {**added, "changed": changed}
        lines = [_try_it(added["name"], "changed" if changed else "kept")]
    elif options.action in ("edit", "keys"):
        change = destination_edits.edit if options.action == "edit" else destination_edits.keys
        answer = destination = change(engine, options)
        lines = [_try_it(destination["name"], "changed")]
    elif options.action == "remove":
        removed = publishing.remove_destination(options.name, force=options.force).result()
        answer = removed
        lines = [f"{removed['name']}: removed; what was published there stays"]
        if removed["keyring_problem"]:
            tell(f"If a keyring holds its keys, they stay there: {removed['keyring_problem']}.")
    else:
        answer = test = publishing.test_destination(options.name).result()
        lines = [
            f"{step['level']:5}  {step['message']} {step['advice']}".rstrip()
            for step in test["steps"]
        ]
        status = _status_of_test(test)
        bad = next((step for step in test["steps"] if step["level"] == "error"), None)
        if status:
            message = bad["message"] if bad else "The test failed."
            answer = failed(test, bad["name"] if bad else "failed", message,
                            bad["advice"] if bad else "")  # fmt: skip
    if options.json:
        say_json(answer)
    else:
        for line in lines:
            say(line)
    return status


def _destination_table(records: list[ListedDestination]) -> list[str]:
    rows = [["NAME", "KIND", "WHERE", "LAST TEST"]]
    rows += [
        [record["name"], record["kind"], _address(record), _last_test(record["tested"])]
        for record in records
    ]
    return table(rows)


def _try_it(name: str, result: str) -> str:
    return f"{name}: {result}; try it with: destinations test {name}"


def _status_of_test(test: DestinationTested) -> int:
    """The exit status of a test: 3 when a token or keys are the matter."""
    if test["ok"]:
        return exit_codes.FINE
    errors = {step["name"] for step in test["steps"] if step["level"] == "error"}
    return exit_codes.NOT_AUTHORISED if errors & _REFUSED else exit_codes.FAILED


def _address(record: ListedDestination) -> str:
    """Where a destination is, whatever its kind."""
    if record["kind"] == "s3":
        options = record["options"]
        parts = (options["bucket"], options.get("prefix", "").strip("/"))
        return f"s3://{'/'.join(filter(None, parts))} at {options['endpoint'] or 'Amazon S3'}"
    if record["kind"] == "hub":
        return record["options"]["repo"]
    return record["options"]["path"]


def _last_test(last: LastTest | None) -> str:
    """When a destination was tried, and what was wrong then."""
    if last is None:
        return "never"
    at = formatting.stamp(datetime.fromisoformat(last["at"]))
    errors = [step["message"] for step in last["steps"] if step["level"] == "error"]
    return f"fine, {at}" if last["ok"] else f"failed, {at}: {' '.join(errors[:1])}".rstrip(": ")
