"""An async client of Replicate's HTTP API. Knows nothing of the program around it.

`client.ReplicateClient` is the way in; `errors` has what its calls raise, `models` what they
return, `network.Network` and `budget.RateBudget` how it behaves on the way, `webhook` the check
of signatures and `secret.Secret` the wrapper for what must not be read by accident.

Nothing is imported here, so that a small part such as `secret` stays cheap to import.
"""
