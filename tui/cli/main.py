"""The argument parser, and the function of each command. Imports nothing heavy."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence
from typing import Final

from tui.cli import exit_codes
from tui.cli.arguments import JOB_HELP, Parser, as_text
from tui.cli.output import OutputEndedError, choose_colours, forgive_streams, settled
from tui.cli.signals import explain_interrupt, sigterm_interrupts

_COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "app": ("tui.cli.open_app", "open_app"),
    "demo": ("tui.cli.demo", "demo"),
    "sandbox": ("tui.cli.sandbox_command", "sandbox"),
    "engine": ("tui.cli.engine_commands", "engine"),
    "config": ("tui.cli.config_command", "config"),
    "check": ("tui.cli.submit_commands", "check"),
    "submit": ("tui.cli.submit_commands", "submit"),
    "jobs": ("tui.cli.job_queries", "jobs"),
    "job": ("tui.cli.job_queries", "job"),
    "logs": ("tui.cli.job_queries", "logs"),
    "export": ("tui.cli.export_command", "export"),
    "metrics": ("tui.cli.job_queries", "metrics"),
    "compare": ("tui.cli.compare_command", "compare"),
    "cancel": ("tui.cli.job_actions", "cancel"),
    "move": ("tui.cli.job_actions", "move"),
    "rerun": ("tui.cli.rerun_command", "rerun"),
    "rename": ("tui.cli.annotation_commands", "rename"),
    "note": ("tui.cli.annotation_commands", "note"),
    "tag": ("tui.cli.annotation_commands", "tag"),
    "pin": ("tui.cli.annotation_commands", "pin"),
    "unpin": ("tui.cli.annotation_commands", "unpin"),
    "dismiss": ("tui.cli.annotation_commands", "dismiss"),
    "collect": ("tui.cli.job_actions", "collect"),
    "delete": ("tui.cli.job_actions", "delete"),
    "sync": ("tui.cli.job_actions", "sync"),
    "serve": ("tui.cli.serve_commands", "serve"),
    "api-key": ("tui.cli.key_commands", "api_key"),
    "storage-key": ("tui.cli.key_commands", "storage_key"),
    "token": ("tui.cli.token_command", "token"),
    "limit": ("tui.cli.hardware_commands", "limit"),
    "rates": ("tui.cli.hardware_commands", "rates"),
    "spending": ("tui.cli.hardware_commands", "spending"),
    "hardware": ("tui.cli.hardware_commands", "hardware"),
    "versions": ("tui.cli.hardware_commands", "versions"),
    "publish": ("tui.cli.publish_commands", "publish"),
    "artifacts": ("tui.cli.publish_commands", "artifacts"),
    "free": ("tui.cli.free_command", "free"),
    "transfers": ("tui.cli.publish_commands", "transfers"),
    "destinations": ("tui.cli.publish_commands", "destinations"),
    "staged": ("tui.cli.staged_commands", "staged"),
    "sweep": ("tui.cli.sweep_commands", "sweep"),
    "queue": ("tui.cli.sweep_commands", "queue"),
    "settings": ("tui.cli.settings_command", "settings"),
    "completion": ("tui.cli.completion_command", "completion"),
    "doctor": ("tui.cli.doctor_command", "doctor"),
    "proxy": ("tui.cli.proxy_command", "proxy"),
}


def run(arguments: Sequence[str]) -> int:
    """Run one command line; returns the exit status."""
    forgive_streams()
    as_json = "--json" in arguments
    try:
        with sigterm_interrupts(wanted=as_json):
            options = build_parser().parse_args(as_text(arguments))
            choose_colours(options.color)
            module, name = _COMMANDS[options.command or "app"]
            status = getattr(importlib.import_module(module), name)(options)
    except KeyboardInterrupt as error:
        status = explain_interrupt(error, as_json=as_json)
    except OutputEndedError:
        status = exit_codes.FINE
    except SystemExit as ended:  # after the help, or the version
        status = ended.code
    except Exception as error:  # noqa: BLE001  printed as a message, its traceback kept in a file
        from tui.cli.failures import explain

        status = explain(error, as_json=as_json)
    return settled(int(status or exit_codes.FINE))


class _Version(argparse.Action):
    """Prints the versions and ends the command, as argparse's own action does."""

    def __call__(self, *_: object) -> None:
        from tui.cli import context
        from tui.cli.version import version_text

        sys.stdout.write(version_text(str(context.home().root)))
        raise SystemExit(exit_codes.FINE)


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = Parser(
        prog="simpletuner-tui",
        description="SimpleTuner training jobs on Replicate, from a terminal. "
        "Without a command: open the app.",
    )
    parser.add_argument(
        "--version", action=_Version, nargs=0, help="of the program, and of its engine"
    )
    _add_color(parser, "auto")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    def add(name: str, summary: str, *, json: bool = False) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=summary, description=summary)
        _add_color(command, argparse.SUPPRESS)
        if json:
            command.add_argument("--json", action="store_true", help="print JSON for scripts")
        return command

    demo = add("demo", "Try the app on the sandbox: no account, no network, nothing to pay.")
    demo.epilog = (
        "It has a throw-away folder of its own: your jobs and settings are not touched, and "
        "SIMPLETUNER_TUI_HOME means nothing to it. Results that you made in it are kept; it says "
        "where when it ends."
    )
    _add_sandbox(add("sandbox", "Only the sandbox server, for scripts and tests.", json=True))
    _add_config(add("config", "Edit a config of SimpleTuner with your $EDITOR.", json=True))
    _add_job_form(add("check", "Run every check of a config.", json=True))
    submit = add("submit", "Check, price and start a job.", json=True)
    _add_job_form(submit)
    _add_sweeps(add, submit)
    submit.add_argument("--dry-run", action="store_true", help="show the request, send nothing")
    submit.add_argument("--yes", action="store_true", help="agree to the upload and the price")
    submit.add_argument("--wait", action="store_true", help="stay until the job has ended")
    submit.add_argument("--idempotency-key", metavar="KEY", help="the same key: the same job")

    jobs = add("jobs", "List jobs, newest first.", json=True)
    jobs.add_argument(
        "filter", nargs="*",
        help="as in the app: flux tag:face since:7d cost>2 config.lora_rank>16, a OR b; "
        "-- before a term that must not match: jobs -- -state:failed",
    )  # fmt: skip
    jobs.add_argument("-n", "--limit", type=_count, default=None, help="at most so many")
    for name, summary in (
        ("job", "Everything about one job."),
        ("cancel", "Cancel a job, its upload included."),
        ("collect", "Fetch what a job produced and verify it."),
        ("delete", "Drop a finished job's record and log; files stay."),
    ):
        add(name, summary, json=True).add_argument("id", help=JOB_HELP)
    move = add("move", "Move a job that waits for a machine to other hardware.", json=True)
    move.add_argument("id", help=JOB_HELP)
    move.add_argument("--to", metavar="HARDWARE", help="where to; without it the prices are shown")
    move.add_argument("--yes", action="store_true", help="agree to the price")
    _add_rerun(add("rerun", "Run a job again, as it ran or as it is today.", json=True))
    _add_readings(add)
    _add_annotations(add)
    _add_export(add)
    add("sync", "Bring in jobs started elsewhere on the account.", json=True)
    token = add("token", "The Replicate or Hugging Face token in the keyring.", json=True)
    token.add_argument("action", choices=("set", "status", "validate", "delete"))
    token.add_argument("--hub", action="store_true", help="the Hugging Face token")
    staged = add("staged", "Copies of your datasets that jobs read from elsewhere.", json=True)
    staged.add_argument("action", nargs="?", default="list", choices=("list", "remove"))
    staged.add_argument("key", nargs="?", help="for remove; its beginning is enough")
    staged.add_argument("--all", action="store_true", help="remove all that no job reads")
    _add_money(add)
    _add_settings(add)
    add("doctor", "Terminal, keyring, network, proxy, listener, disk: with the fix.", json=True)

    completion = add("completion", "What lets a shell complete command lines; the manual page.")
    completion.add_argument("shell", choices=("bash", "zsh", "fish", "man"))
    _add_serving(add)
    _add_publishing(add)

    _add_engine(add)
    return parser


def _add_color(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument(
        "--color", choices=("auto", "always", "never"), default=default,
        help="colours: on a terminal (auto; NO_COLOR is heeded), always or never",
    )  # fmt: skip


def _add_readings(add: Callable[..., argparse.ArgumentParser]) -> None:
    logs = add("logs", "Print a job's complete log.", json=True)
    logs.add_argument("id", help=JOB_HELP)
    logs.add_argument(
        "-f", "--follow", action="store_true", help="go on while the job runs; as JSON a line each"
    )
    metrics = add("metrics", "Print a job's metric series (CSV).", json=True)
    metrics.add_argument("id", help=JOB_HELP)
    compare = add("compare", "What differs between 2 to 8 jobs, and what came of it.", json=True)
    compare.add_argument("id", nargs="+", help="jobs: " + JOB_HELP.removeprefix("a job: "))
    compare.add_argument("--all", action="store_true", help="settings that they share as well")


def _add_sweeps(
    add: Callable[..., argparse.ArgumentParser], submit: argparse.ArgumentParser
) -> None:
    from tui.cli import sweep_grammar

    sweep_grammar.add_options(submit)
    sweep_grammar.add_parsers(add)


def _add_annotations(add: Callable[..., argparse.ArgumentParser]) -> None:
    from tui.cli.annotation_grammar import add_parsers

    add_parsers(add)


def _add_engine(add: Callable[..., argparse.ArgumentParser]) -> None:
    engine = add("engine", "The process that does the work in the background.", json=True)
    engine.add_argument(
        "action", nargs="?", choices=("status", "stop", "restart", "logs"),
        help="jobs go on when it stops, and are followed again by the next command",
    )  # fmt: skip
    engine.add_argument("-n", "--lines", type=_count, default=50, help="of its log (default 50)")
    for flag in ("--agent", "--until-eof"):  # the program starts itself so
        engine.add_argument(flag, action="store_true", help=argparse.SUPPRESS)


def _add_export(add: Callable[..., argparse.ArgumentParser]) -> None:
    export = add("export", "A job's record, metrics and log: as JSON, or in a folder.", json=True)
    export.add_argument("id", help=JOB_HELP)
    export.add_argument("--to", metavar="FOLDER", help="write files there; else they are printed")
    export.add_argument("--format", choices=("json", "csv"), help="of the metrics")
    export.add_argument("--overwrite", action="store_true", help="replace such files there")


def _add_rerun(command: argparse.ArgumentParser) -> None:
    from tui.cli import sweep_grammar

    command.add_argument("id", help=JOB_HELP)
    command.add_argument(
        "--today", action="store_true",
        help="with config, data and version of today, instead of those that the job ran with",
    )  # fmt: skip
    command.add_argument("--name", help="run name; else a new one is suggested")
    command.add_argument(
        "--set", type=_setting, action="append", default=[], metavar="NAME=VALUE",
        help="an option of the config to change in this run",
    )  # fmt: skip
    _add_unset(command)
    sweep_grammar.add_axes(command)
    for name in ("delivery", "data"):
        command.add_argument(
            f"--accept-{name}", action="store_true", default=None,
            help=f"start it even though the check of the {name} failed",
        )  # fmt: skip
    command.add_argument("--dry-run", action="store_true", help="show the request, send nothing")
    command.add_argument("--yes", action="store_true", help="agree to the upload and the price")
    command.add_argument("--wait", action="store_true", help="stay until the job has ended")
    command.add_argument("--idempotency-key", metavar="KEY", help="the same key: the same job")


def _add_money(add: Callable[..., argparse.ArgumentParser]) -> None:
    limit = add("limit", "The cost limit.", json=True)
    limit.add_argument("action", choices=("show", "set", "off"))
    limit.add_argument("amount", nargs="?", help="dollars, for set")
    limit.add_argument("--per", metavar="PERIOD", help="day, week or month, rolling")
    limit.add_argument("--then", choices=("warn", "block"), help="what happens to a job above it")
    limit.add_argument(
        "--stop-running",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="cancel running jobs when it is reached; asks, unless --yes is given",
    )
    limit.add_argument("--yes", action="store_true", help="agree to --stop-running")
    rates = add("rates", "What hardware costs; published rates can be replaced.", json=True)
    rates.add_argument("action", choices=("show", "set", "reset"))
    rates.add_argument("profile", nargs="?", help="hardware, for set")
    rates.add_argument("rate", nargs="?", help="such as $3.51/h, for set")
    add("hardware", "What there is to run on: memory, price, whether it is up.", json=True)
    versions = add("versions", "Versions of a trainer: list, compare, pin, follow.", json=True)
    versions.add_argument(
        "action", nargs="?", default="show", choices=("show", "compare", "pin", "follow")
    )
    versions.add_argument("model", nargs="?", help="owner/name; pin also takes owner/name:hash")
    versions.add_argument("first", nargs="?", help="a version, or its beginning")
    versions.add_argument("second", nargs="?", help="for compare; else the newest")
    spending = add("spending", "What was spent, by day.", json=True)
    spending.add_argument("--days", type=_count, default=30, help="of the chart (default 30)")


def _add_config(command: argparse.ArgumentParser) -> None:
    command.add_argument("action", choices=("edit",))
    command.add_argument("config", help="its folder, its file, or its name below config/")


def _add_settings(add: Callable[..., argparse.ArgumentParser]) -> None:
    command = add("settings", "Read, change or edit the settings.", json=True)
    command.add_argument("action", choices=("get", "set", "unset", "edit"))
    command.add_argument("name", nargs="?", help="such as network.timeout; a section, for get")
    command.add_argument("value", nargs="?", help="for set; lists with commas")
    command.add_argument("--yes", action="store_true", help="agree to what opens a door")


def _add_publishing(add: Callable[..., argparse.ArgumentParser]) -> None:
    from tui.cli.destination_grammar import add_parsers

    add_parsers(add)


def _add_serving(add: Callable[..., argparse.ArgumentParser]) -> None:
    serve = add("serve", "Engine and listener without a screen; the app attaches.", json=True)
    serve.add_argument("--listen", metavar="HOST:PORT", help="instead of the settings' address")
    serve.add_argument("--public-url", metavar="URL", help="as the world reaches us, no path")
    serve.add_argument(
        "--systemd-unit", action="store_true",
        help="print a user unit that runs this command line, and start nothing",
    )  # fmt: skip
    from tui.cli.key_grammar import add_parsers

    add_parsers(add)
    proxy = add(
        "proxy", "Configuration of a reverse proxy or firewall for the listener.", json=True
    )
    proxy.add_argument("kind", choices=("nginx", "caddy", "traefik", "firewall"))
    proxy.add_argument("--host", metavar="NAME", help="instead of the public URL's")
    proxy.add_argument("--port", type=_count, help="the public port, instead of the URL's or 443")
    proxy.add_argument("--upstream", metavar="HOST:PORT", help="the listener, as the proxy sees it")
    proxy.add_argument("--allow", metavar="RANGES", help="who may send webhooks, with commas")
    proxy.add_argument("--internal", metavar="RANGES", help="who may use the HTTP API")
    proxy.add_argument("--cert", metavar="FILE", help="certificate (PEM)")
    proxy.add_argument("--key", metavar="FILE", help="its key (PEM)")


def _add_sandbox(command: argparse.ArgumentParser) -> None:
    command.epilog = (
        "It has a Hugging Face Hub of its own, which takes any token that begins with hf_: with "
        "HF_TOKEN=hf_write jobs can be delivered to it (--delivery hub --hub-model-id "
        "sandbox/NAME); hf_read, hf_expired and hf_fine rehearse tokens that may not. Set "
        "HF_ENDPOINT to the address it prints to look at what arrived."
    )
    command.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (0: any free)")
    command.add_argument("--speed", type=float, default=1.0, help="how much faster than life")
    command.add_argument(
        "--release",
        metavar="NAME",
        help="newest release of its trainers: 4.10.1, as the real one is, or wished, a kinder one",
    )
    command.add_argument("--work-dir", help="folder for its files (default: a temporary one)")
    command.add_argument(
        "--fault", action="append", default=[], metavar="NAME[=VALUE]", help="misbehave on purpose"
    )
    command.add_argument(
        "--worker", choices=("sim", "cog"), default="sim", help="cog: inside real Cog servers"
    )
    command.add_argument("--until-eof", action="store_true", help="end when standard input closes")


def _add_job_form(command: argparse.ArgumentParser) -> None:
    from tui.cli.delivery_grammar import add_options

    command.add_argument("config", help="path of a SimpleTuner config, of its folder, or its name")
    command.add_argument("--name", help="run name")
    command.add_argument(
        "--tag", action="append", default=[], metavar="WORD",
        help="a word to find the job by; can be given again",
    )  # fmt: skip
    command.add_argument("--hardware", metavar="PROFILE", help="l40s, h100, h100-x2, …")
    command.add_argument("--model", help="owner/name[:version] instead of the profile's model")
    command.add_argument("--model-version", metavar="ID", help="a version other than the newest")
    command.add_argument(
        "--data", type=_data, metavar="WAY",
        help="how data travels: upload (an archive), staged[:hub|:here|:DESTINATION] (the trainer "
        "reads it from there), hosted (--images-url) or remote (none from here)",
    )  # fmt: skip
    command.add_argument(
        "--keep-staged", action="store_true", default=None,
        help="keep staged data when the last job that reads them has ended",
    )  # fmt: skip
    command.add_argument(
        "--leave-out-uncaptioned", action="store_true", default=None,
        help="stage a dataset without its pictures that have no caption",
    )  # fmt: skip
    command.add_argument(
        "--images-url", metavar="URL",
        help="archive for --data hosted; - asks for it or reads standard input: a signed address "
        "in an argument can be seen by others",
    )  # fmt: skip
    add_options(command)
    command.add_argument("--steps", type=_count, help="instead of the config's max_train_steps")
    command.add_argument("--batch", type=_count, help="instead of train_batch_size")
    command.add_argument("--rank", type=_count, help="instead of lora_rank")
    command.add_argument("--lr", type=float, help="instead of learning_rate")
    command.add_argument(
        "--set", type=_setting, action="append", default=[], metavar="NAME=VALUE",
        help="any other option of the config for this job, such as vae_batch_size=1",
    )  # fmt: skip
    _add_unset(command)
    command.add_argument(
        "--stop-after", type=_count, metavar="SECONDS", help="Replicate ends the job then"
    )
    command.add_argument(
        "--cost-ceiling", type=_dollars, metavar="DOLLARS",
        help="what the job may cost at most: Replicate ends it in time",
    )  # fmt: skip
    command.add_argument(
        "--accept-delivery", action="store_true", default=None,
        help="start it even though the check of the delivery failed",
    )  # fmt: skip
    command.add_argument(
        "--fix-delivery", action="store_true", default=None,
        help="change intervals, steps or batch so that the final weights leave the trainer; "
        "where they go stays as it is",
    )  # fmt: skip
    command.add_argument(
        "--accept-data", action="store_true", default=None,
        help="start it even though the trainer is known to ignore or refuse the archive",
    )  # fmt: skip
    command.add_argument(
        "--trainer-release", choices=("4.8.0", "4.10.1", "patched"),
        help="which SimpleTuner the trainer's version holds (patched: it unpacks archives)",
    )  # fmt: skip


def _data(text: str) -> str:
    way, colon, place = text.partition(":")
    known = way in ("upload", "staged", "hosted", "remote")
    if not known or (colon and (way != "staged" or not place)):
        raise argparse.ArgumentTypeError("upload, staged[:hub|:here|:DESTINATION], hosted, remote")
    return text


def _dollars(text: str) -> int:
    from tui.base.text_fields import FieldError, read_amount

    try:
        micros = read_amount(text)
    except FieldError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if micros < 1:
        raise argparse.ArgumentTypeError("must be more than nothing")
    return micros


def _count(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is no whole number") from None
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _add_unset(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--unset", type=_option_name, action="append", default=[], metavar="NAME",
        help="an option of the config that this job goes without",
    )  # fmt: skip


def _option_name(text: str) -> str:
    return text.strip().lstrip("-").replace("-", "_")


def _setting(text: str) -> tuple[str, object]:
    from tui.simpletuner.config.overrides import parse_override

    name, equals, value = text.partition("=")
    name = _option_name(name)
    if not equals:
        raise argparse.ArgumentTypeError("write it as NAME=VALUE")
    try:
        return name, parse_override(name, value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{name}: {error}") from None
