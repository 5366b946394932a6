"""What cards really do: effects from randomised menus, and which of them may be told. Never imports torch or games."""
