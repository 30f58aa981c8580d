"""An async client of Replicate's HTTP API, independent of the rest of the program.

`client.ReplicateClient` is the entry point; `errors` has the exceptions of its calls, `models`
their results, `network.Network` and `budget.RateBudget` the settings of proxies, retries and rate
limits, `webhook` the check of signatures and `secret.Secret` the wrapper for secrets.

Own code and not the `replicate` package, because a call that starts a paid run must be repeated
only when it certainly did not arrive, and its outcome looked up otherwise; and because clients
share a rate budget, downloads resume, and proxies and certificates come from the settings.

Nothing is imported here, so that a small part such as `secret` stays cheap to import.
"""
