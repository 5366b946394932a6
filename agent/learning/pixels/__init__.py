"""A world learned from pictures: episodes of them, tokenizer, dynamics, measures. Never imports games or sockets."""
