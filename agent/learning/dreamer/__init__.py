"""World model, replay and dreams, after DreamerV3. Functions of tensors."""
