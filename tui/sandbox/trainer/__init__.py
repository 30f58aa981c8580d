"""The simulated trainer.

It takes the inputs of SimpleTuner's Cog predictor, prints its log formats, writes safetensors files
and uploads them. Only the training itself is simulated.
"""
