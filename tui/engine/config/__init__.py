"""The settings in force, how they change, and how the file is watched."""
