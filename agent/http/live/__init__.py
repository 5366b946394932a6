"""What is shown as it happens: one state for all readers, a stream of it with pictures. Never imports `training`."""
