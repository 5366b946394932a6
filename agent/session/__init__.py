"""One session of play: sense, act, guard, episodes, status, report, console. Never imports the learner or HTTP."""
