"""Learning across machines: rollouts that workers push are applied at most once, and weights go back by version.

Correctness lies here, whoever places the processes. Never imports `agent.session`, `agent.http` or Ray.
"""
