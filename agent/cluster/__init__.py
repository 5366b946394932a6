"""Placing processes on many machines: Ray puts a keeper on each, a keeper keeps one process of this program alive.

Correctness is not here: rollouts are journaled by `learner.remote`. Never imports agent.http, agent.training or torch,
and Ray only where a function needs it.
"""
