"""The shapes of the HTTP API, once: requests, answers, events and the table of routes.

The engine validates requests against them and describes its routes with them; the client answers
with them; so the type checker sees both ends. They are `TypedDict`s, because JSON is what travels
and the command line prints it as it came, and because importing them costs next to nothing: these
modules import the standard library only, and each other.

Conventions: times are ISO 8601 with an offset; a duration's unit stands in its name or its
description; fields that end in `_micros` are integer millionths of a US dollar, fields that end in
`_usd` and the names of SimpleTuner's cloud API are US dollars as floating-point numbers; sizes are
bytes. A field that is `NotRequired` may be missing; one that is `| None` may be null.
"""

from __future__ import annotations
