"""The HTTP API: the engine's services under the paths of SimpleTuner's cloud API.

One module for each group of routes. They are served twice: on the user's own Unix socket without a
key (`engine.control`), and on the listener's TCP address with one (`http_api.public`).
"""

from __future__ import annotations
