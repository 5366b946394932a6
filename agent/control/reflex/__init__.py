"""The pilot's compiled step: network, linears, curves and the ways it is measured to run. No torch."""
