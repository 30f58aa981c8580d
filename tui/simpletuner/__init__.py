"""SimpleTuner's formats: configs, datasets, predictor inputs, log grammar.

Pure: no network, no store, no screen.
"""
