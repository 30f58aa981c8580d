"""Widgets that show; they decide nothing."""
