"""Recordings in forms that others read: npz episodes, MP4, LeRobot, CSV, viewers. Never imports torch or sessions."""
