"""The listener's life: sockets, settings, and the webhooks it receives."""
