"""Merging of policies that were fine-tuned from one base: methods, a search, a gate. No torch, no files, no thread."""
