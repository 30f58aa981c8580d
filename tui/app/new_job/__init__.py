"""The form for a new job, its checks and the consent before a submit."""
