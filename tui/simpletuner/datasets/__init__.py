"""Image datasets on this machine: scanning, safety rules, packing."""
