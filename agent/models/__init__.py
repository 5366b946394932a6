"""Torch modules, and sealed files of weights. Never imports learning or control; no loop, no thread, no socket."""
