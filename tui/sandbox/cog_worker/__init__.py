"""A worker that runs predictions in real Cog servers, the runtime of Replicate's models.

`worker` implements the worker interface, `process` controls one Cog server, `launch` starts it, and
`predictor` is the code that it runs: the same programs as in the thread worker.

Facts about Cog were observed with `cog` and `coglet` 0.23.1; the extra `cog` pins both.
"""
