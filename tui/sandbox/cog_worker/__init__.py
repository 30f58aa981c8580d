"""Predictions inside a real Cog server, the runtime that Replicate runs models in.

`worker` is what the gateway sees, `process` is one Cog server, `launch` starts it and `predictor`
is what it runs: the same programs as the worker in threads.

How Cog behaves was observed with `cog` and `coglet` 0.23.1; both are pinned by the extra `cog`.
"""
