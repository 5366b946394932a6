"""Networks of a world of pictures: tokenizer, dynamics, regime, outcomes. No loss, no file; never imports learning."""
