"""One thread a process: small networks are slower on more."""

import torch

torch.set_num_threads(1)
