"""Recordings and clips over HTTP, read by a process of its own: lists, videos, moments. Never imports `training`."""
