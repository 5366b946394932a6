"""The only home of loops, threads and accelerator streams."""
