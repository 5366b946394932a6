"""A desktop's windows: find one, take its picture, press keys and buttons in it, and notice what a person presses."""
