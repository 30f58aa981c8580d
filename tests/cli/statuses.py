"""How every command line ends: the table, and `python -m tests release statuses`, which prints it.

It is printed when the tests have found every line of it to be so.
"""

from __future__ import annotations

import sys

from tui.cli.exit_codes import FAILED, FINE, USAGE

Case = tuple[str, int]
NOT_AGREED = "CONFIG --delivery local"
SAY_NOTHING_SENT = {
    NOT_AGREED, "CONFIG --set optimizer=nothing --yes", "CONFIG broken --yes",
    "CONFIG CONFIG --dry-run", "CONFIG --sweep lora_rank=2,4",
}  # fmt: skip
"""Refused after a look at the jobs: each says once that nothing was sent."""
NOBODY: Case = ("nobody", USAGE)
STATUSES: dict[str, list[Case]] = {
    "demo": [("", USAGE)],  # no terminal
    "sandbox": [("--fault nonsense", USAGE), ("--port 99999", FAILED)],
    "config edit": [("", USAGE), ("not/there", USAGE), ("broken", FAILED)],  # EDITOR is false
    "check": [("not/there", USAGE), ("broken", FAILED)],
    "submit": [
        ("not/there --yes", USAGE),
        ("broken --yes", FAILED),
        ("CONFIG --data staged:nowhere --yes", USAGE),
        ("CONFIG --set optimizer=nothing --yes", FAILED),
        (NOT_AGREED, USAGE),
        ("CONFIG --cost-ceiling 0", USAGE),
        ("CONFIG --set vae_batch_size", USAGE),
        ("CONFIG --sweep lora_rank", USAGE),
        ("CONFIG --sweep learning_rate=1e-4,0.0001", USAGE),
        ("CONFIG --at-once 2", USAGE),
        ("CONFIG --sweep lora_rank=2,4 --at-once 99", USAGE),
        ("CONFIG broken --yes", FAILED),
        ("CONFIG CONFIG --dry-run", USAGE),  # the same run twice
        ("CONFIG --sweep lora_rank=2,4 --dry-run", FINE),
        ("CONFIG --sweep lora_rank=2,4", USAGE),  # not agreed
    ],
    "sweep": [("", FINE)],
    "sweep list": [("cats", USAGE), ("", FINE)],
    "sweep show": [("", USAGE), ("cats", USAGE)],
    "sweep cancel": [("", USAGE), ("cats --yes", USAGE)],
    "sweep resume": [("", USAGE), ("cats", USAGE)],
    "queue": [("extra", USAGE), ("", FINE)],
    "jobs": [
        ("stat:failed", USAGE),
        ("cost>abc", USAGE),
        ("state:lost", USAGE),
        ("state:", USAGE),
        ("name>2", USAGE),
        ("-n 0", USAGE),
        ("state:done 'cost>0'", FINE),
        ("-- cat OR dog -state:done", FINE),
        ("", FINE),
    ],
    "job": [NOBODY, ("job00001", FINE)],
    "cancel": [NOBODY, ("job00001", FAILED)],
    "collect": [NOBODY],
    "delete": [NOBODY],
    "move": [NOBODY, ("job00001 --to h100 --yes", FAILED)],
    "rerun": [
        NOBODY,
        ("job00001 --set x --yes", USAGE),
        ("job00001 --sweep lora_rank=x --yes", USAGE),
        ("job00001 --at-once 2 --yes", USAGE),
    ],
    "logs": [NOBODY, ("job00001", FINE), ("job00001 --follow", FINE)],
    "metrics": [NOBODY, ("job00001", FINE)],
    "compare": [("job00001", USAGE), ("job00001 nobody", USAGE), ("job00001 job00002", FINE)],
    "rename": [("nobody name", USAGE)],
    "note": [NOBODY],
    "tag": [("nobody +face", USAGE)],
    "pin": [NOBODY],
    "unpin": [NOBODY],
    "dismiss": [NOBODY, ("job00001 nonsense", USAGE), ("job00001", FINE)],
    "free": [("--extra", USAGE)],
    "export": [NOBODY, ("job00001", FINE), ("job00001 --to broken/config.json", FAILED)],
    "sync": [("", FINE)],
    "engine": [("", FINE)],
    "engine status": [("--lines 0", USAGE), ("", FINE)],
    "engine logs": [("-n 3", FINE)],
    "engine restart": [("", FINE)],
    "engine stop": [("", FINE)],
    "token set": [("", USAGE)],  # nothing is piped in
    "token status": [("", FINE)],
    "token validate": [("", FINE)],
    "token delete": [("--hub extra", USAGE)],
    "staged": [("", FINE)],
    "staged list": [("", FINE)],
    "staged remove": [("", USAGE), ("nothing", USAGE)],
    "limit show": [("", FINE)],
    "limit set": [("", USAGE), ("much", USAGE), ("5 --per year", USAGE),
                  ("5 --stop-running", USAGE)],
    "limit off": [("", FINE)],
    "rates show": [("", FINE)],
    "rates set": [("", USAGE), ("nothing $1/h", USAGE), ("l40s much", USAGE)],
    "rates reset": [("", FINE)],
    "hardware": [("--extra", USAGE)],
    "versions": [("nobody", USAGE)],
    "versions show": [("nobody", USAGE)],
    "versions compare": [("", USAGE)],
    "versions pin": [("", USAGE), ("simpletuner/advanced-trainer-l40s", USAGE),
                     ("simpletuner/advanced-trainer-l40s:nothing", USAGE)],
    "versions follow": [("", USAGE)],
    "spending": [("--days 0", USAGE), ("--days 5000", USAGE), ("", FINE)],
    "settings get": [("ui.them", USAGE), ("ui.theme", FINE)],
    "settings set": [("ui.theme", USAGE), ("ui.theme nord", USAGE), ("ui.them dark", USAGE),
                     ("network.timeout x", USAGE),
                     ("cloud.config_roots not/there", USAGE),
                     ("cloud.outputs_dir /not/there", USAGE)],
    "settings unset": [("", USAGE), ("ui.them", USAGE)],
    "settings edit": [("", FAILED)],  # EDITOR is false
    "completion bash": [("", FINE)],
    "completion zsh": [("", FINE)],
    "completion fish": [("", FINE)],
    "completion man": [("", FINE)],
    "doctor": [("extra", USAGE)],
    "serve": [("--listen nonsense", USAGE), ("--public-url http://a b", USAGE)],
    "api-key create": [("--expires 1y", USAGE)],
    "api-key add": [("--scope all", USAGE)],
    "api-key list": [("", FINE)],
    "api-key revoke": [("", USAGE), ("nothing", USAGE)],
    "storage-key create": [("--ttl 8d", USAGE)],
    "storage-key list": [("", FINE)],
    "storage-key revoke": [("", USAGE), ("nothing", USAGE)],
    "proxy nginx": [("", USAGE), ("--host a.example --upstream 127.0.0.1:9", FINE)],
    "proxy caddy": [("", USAGE)],
    "proxy traefik": [("", USAGE)],
    "proxy firewall": [("--port x", USAGE), ("", FINE)],
    "publish": [
        ("nobody --to dir:x", USAGE),
        ("job00001 --to nowhere", USAGE),
        ("job00001 --to ftp:nowhere", USAGE),
        ("job00001 --to dir:", USAGE),
        ("job00001 --to s3:nowhere/x", USAGE),
    ],
    "artifacts": [NOBODY, ("job00001", FINE)],
    "transfers": [("", FINE)],
    **{
        f"transfers {act}": [("", USAGE), ("nothing", USAGE)]
        for act in ("pause", "resume", "cancel", "retry", "up", "down", "top")
    },
    "transfers clear": [("nothing", USAGE)],
    "destinations list": [("", FINE)],
    "destinations add": [("", USAGE), ("x", USAGE), ("x --kind hub", USAGE)],
    "destinations edit": [("", USAGE), ("nowhere --prefix x", USAGE)],
    "destinations keys": [("", USAGE), ("nowhere", USAGE)],
    "destinations test": [("", USAGE), ("nowhere", USAGE)],
    "destinations remove": [("", USAGE), ("nowhere", USAGE)],
}  # fmt: skip


def main(arguments: list[str]) -> int:
    """Run the tests of the table, then print it; the exit status is pytest's."""
    import pytest

    status = pytest.main(["-q", "tests/cli/test_exit_statuses.py", *arguments])
    if not status:
        for verb, cases in STATUSES.items():
            for words, ends in cases:
                print(f"{ends}  {verb} {words}".rstrip())
    return int(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
