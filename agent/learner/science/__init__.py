"""What cards do, learned from play: the book of runs, the watch, the part. Never imports torch or sessions."""
