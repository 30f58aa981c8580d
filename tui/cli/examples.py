"""Lines of each command that can be pasted into a shell, for `--help` and the manual page."""

from __future__ import annotations

from typing import Final

EXAMPLES: Final[dict[str, tuple[str, ...]]] = {
    "demo": ("demo",),
    "sandbox": ("sandbox --speed 10", "sandbox --json --port 8200"),
    "check": ("check config/cat-lora", "check cat-lora --hardware h100 --json"),
    "submit": (
        "submit config/cat-lora --dry-run",
        "submit config/cat-lora --yes --wait --json",
        "submit cat-lora --steps 500 --set vae_batch_size=1 --cost-ceiling 5",
        "submit cat-lora --sweep learning_rate=1e-4,5e-5 --sweep lora_rank=16,32 --dry-run",
        "submit cat-lora dog-lora --at-once 1 --yes",
    ),
    "sweep": (
        "sweep list",
        "sweep show cat-lora",
        "sweep cancel cat-lora",
        "sweep resume cat-lora",
    ),
    "queue": ("queue", "queue --json"),
    "jobs": (
        "jobs",
        "jobs 'flux state:failed cost>2'",
        "jobs 'since:7d tag:face OR tag:cats config.lora_rank>16 -state:failed'",
        "jobs -n 20 --json",
    ),
    "job": ("job cat-lora", "job 3f2a --json"),
    "cancel": ("cancel cat-lora",),
    "collect": ("collect cat-lora",),
    "delete": ("delete 3f2a",),
    "move": ("move cat-lora", "move cat-lora --to h100 --yes"),
    "rerun": (
        "rerun cat-lora --dry-run",
        "rerun cat-lora --today --set vae_batch_size=1 --yes",
        "rerun cat-lora --sweep lora_rank=16,32 --dry-run",
    ),
    "logs": ("logs cat-lora", "logs cat-lora -f"),
    "export": ("export cat-lora --to ~/cat-lora-run --format csv", "export cat-lora"),
    "metrics": ("metrics cat-lora", "metrics cat-lora --json"),
    "compare": ("compare cat-lora cat-lora-r32", "compare 3f2a 9c1d --all --json"),
    "rename": ("rename cat-lora cat-lora-r32",),
    "note": ("note cat-lora 'the best so far'", "note cat-lora"),
    "tag": ("tag cat-lora +face -draft",),
    "pin": ("pin cat-lora",),
    "unpin": ("unpin cat-lora",),
    "dismiss": ("dismiss cat-lora stalled",),
    "free": ("free --older-than 30 --dry-run", "free --keep 50 --yes --json"),
    "sync": ("sync",),
    "engine": ("engine status", "engine restart", "engine logs -n 100"),
    "token": ("token set", "token validate --hub"),
    "staged": ("staged", "staged remove 3f2a", "staged remove --all"),
    "limit": ("limit show", "limit set 50 --per month --then block"),
    "rates": ("rates show", "rates set l40s '$3.51/h'"),
    "hardware": ("hardware", "hardware --json"),
    "versions": ("versions", "versions follow simpletuner/advanced-trainer-l40s"),
    "spending": ("spending", "spending --days 7 --json"),
    "settings": ("settings get", "settings set network.timeout 60", "settings edit"),
    "doctor": ("doctor",),
    "serve": ("serve", "serve --listen 127.0.0.1:8080 --public-url https://jobs.example.org"),
    "api-key": ("api-key create --name ci --scope submit --expires 90d", "api-key list"),
    "storage-key": ("storage-key create --ttl 2h", "storage-key list"),
    "proxy": ("proxy nginx --host jobs.example.org", "proxy firewall --port 443"),
    "publish": (
        "publish cat-lora --to hub:alice/cat-lora --wait",
        "publish cat-lora --to s3:minio/loras --checkpoint best",
    ),
    "artifacts": ("artifacts", "artifacts cat-lora --json"),
    "transfers": ("transfers", "transfers retry 3f2a", "transfers clear"),
    "destinations": (
        "destinations add here --kind folder --path ~/models",
        "destinations add minio --kind s3 --bucket cat --endpoint https://s3.example.org",
        "destinations test minio",
    ),
    "completion": (
        "completion bash > ~/.local/share/bash-completion/completions/simpletuner-tui",
        "completion zsh > ~/.zfunc/_simpletuner-tui",
        "completion fish > ~/.config/fish/completions/simpletuner-tui.fish",
    ),
}
"""By command, without the program's name. Each can be pasted as it is: quoted where it must be."""
