"""One session of play: sense, act, guard, episodes, status, report. Never imports the learner or HTTP."""
