"""The table of faults: what is done to the program, and how often it lost, doubled or hung."""
