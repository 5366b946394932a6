"""Quantised and fused operations for one GPU step of a policy, each exact against a reference on any machine.

One file an operation: the maths and the packed layout in its docstring, `<op>_reference`, the Triton kernel, and the
dispatcher. Importing needs neither a GPU nor Triton; importing an operation registers it with `torch.library`.
"""
