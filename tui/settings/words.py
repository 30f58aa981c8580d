"""What each setting means, in one line: comments of the file, and help on the command line."""

from __future__ import annotations

from typing import Final

HEADER: Final = (
    "Settings of simpletuner-tui. Edit by hand or in the app; changes are picked up at once.",
    "What is not set has its default. All names: simpletuner-tui settings get",
)
ABOUT: Final[dict[str, str]] = {
    "cloud.api_base": "server that speaks Replicate's API",
    "cloud.hardware": "what jobs run on unless they say otherwise",
    "cloud.consent": "uploading a dataset: ask each time, allow, or never",
    "cloud.delivery": "where results go unless a job says otherwise: local, hub, s3 or none",
    "cloud.pinned_versions": "trainer = version; without it the newest is taken",
    "cloud.config_roots": "more folders to look for SimpleTuner configs in",
    "cloud.outputs_dir": "folder of delivered files; counts when the engine starts",
    "cloud.polling": "false leaves jobs that have a webhook to it alone",
    "listener.listen": "host:port of the webhook listener",
    "listener.public_url": "the listener as the world reaches it: https, without our path",
    "listener.allowed_ips": "addresses and networks that may send webhooks; empty: everybody",
    "listener.trusted_proxies": "own reverse proxies, whose word about a client counts",
    "listener.verify_signatures": "false believes whoever finds the address",
    "listener.allow_public_bind": "whether listen may be an address that other machines reach",
    "listener.tls_cert": "PEM file: serve https without a proxy",
    "listener.tls_key": "PEM file with its key, when that is another file",
    "network.proxy": "http://, https:// or socks5:// address; empty: as the environment says",
    "network.no_proxy": "hosts that are reached without it",
    "network.ca_bundle": "PEM file of the authorities to trust instead of the usual ones",
    "network.ssl_verify": "false lets whoever sits between read everything",
    "network.send_secrets_unencrypted": "true sends tokens and keys to http:// addresses of others",
    "network.timeout": "seconds to wait for an answer, 1 to 600",
    "network.status_page": "another status page than the service's own",
    "spending.enabled": "whether there is a cost limit",
    "spending.amount_micros": "the limit in micro-dollars: 50000000 is $50",
    "spending.period": "rolling window: daily, weekly or monthly",
    "spending.action": "what happens to a job over it: warn or block",
    "spending.stop_running": "whether running jobs are cancelled at the limit",
    "publishing.bandwidth": "bytes per second of all transfers together; 0: no limit",
    "ui.theme": "name of the colours",
    "ui.ascii": "true draws without characters beyond ASCII",
    "ui.mouse": "whether the mouse works",
    "ui.frame_diff": "send only what changed on the screen",
    "ui.keys": "action = keys",
}
