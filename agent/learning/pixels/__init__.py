"""A world learned from pictures: episodes of pictures and actions, the tokenizer, the dynamics and their measures."""
