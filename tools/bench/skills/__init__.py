"""What skills change, how merges of them play, and whether random scales get through the gate."""
