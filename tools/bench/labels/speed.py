"""How fast are recordings labelled on one core?

    python -m tools.bench.labels.speed [--pictures 600] [--out FILE]

Pictures of MinAtar at 64 x 64, flow included; the ten numbers of this program's recordings as actions. What a model has
learned does not change how long it works. Processor time, so that other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Final

import cv2
import torch

from agent.learning.inverse_dynamics.calibration import Calibration
from agent.learning.inverse_dynamics.labels import Labeller
from agent.learning.inverse_dynamics.targets import Targets
from agent.learning.pixels.layout import STANDARD
from agent.models.inverse_dynamics.network import InverseDynamics
from agent.models.inverse_dynamics.sizes import IdmSizes
from tools.bench._result_file import publish
from tools.bench.labels._minatar import Game

RATES_HZ: Final = (10, 18)
ROUNDS: Final = 3


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=600)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    targets = Targets(STANDARD)
    labeller = Labeller(InverseDynamics(IdmSizes(outputs=targets.outputs)), targets, Calibration())
    frames = Game("Breakout", sticky=0.1).stream(args.pictures, 0).frames
    labeller.label(frames[:40])
    rates = []
    for _ in range(ROUNDS):
        start_s = time.process_time()
        labeller.label(frames)
        rates.append(len(frames) / (time.process_time() - start_s))
    rate_hz = sorted(rates)[ROUNDS // 2]
    times = {f"{hz}_hz": round(rate_hz / hz, 1) for hz in RATES_HZ}
    publish(
        "labels_speed", {"pictures": len(frames), "pictures_a_second": round(rate_hz), "real_time": times}, args.out
    )


if __name__ == "__main__":
    main()
