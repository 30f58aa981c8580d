"""The trainer as SimpleTuner 4.10.1 runs in the published container: its rules, data and delivery.

Messages match those of the trainer where a user, or a rule that explains a failure, reads them.
"""
