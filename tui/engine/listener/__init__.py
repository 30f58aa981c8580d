"""The listener inside the engine: its sockets, its settings and the webhooks it receives."""
