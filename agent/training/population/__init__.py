"""Populations: members that train in turn, copy the better ones and change hyper-parameters. Never imports Ray."""
