"""SimpleTuner's formats: configs, datasets, predictor inputs, log grammar.

Nothing here uses the network, the database or the screen. Facts about SimpleTuner were read in its
public source; modules name the files.
"""
