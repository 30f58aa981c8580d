"""Mutation tests of the modules that money, data and secrets depend on."""
