"""The keeper: services that talk to the world, and the control API.

Nothing is imported here, so that light modules (`agent`, `control_client`) stay light.
"""
