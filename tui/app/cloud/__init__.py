"""The cards of the Cloud screen: what each one says, what can be changed on it, what it checks."""
