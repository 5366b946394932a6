"""Networks over chunks of actions: flow, one-step student, critics. Never imports `control` or `learning`."""
