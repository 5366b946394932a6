"""What more workers bring: decisions a second of 1, 4 and 8 workers that play in real time, and what a game costs.

    python -m tools.bench.cluster.scale [--workers 1,4,8] [--seconds 60] [--out docs/results/cluster_scale.json]

Each worker is `play --game arena --learner http://…` in a process of its own, its game in another; the learner is
`python -m agent learner`. Decisions are those that workers write down for the learner, counted over the same time.
`of_linear` compares them with as many workers as the first. Bytes are bodies; a request has about 400 bytes of headers
beside. `processor_share` is of one core; where all together want more than there are, workers cannot be linear.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from tools.bench._result_file import publish
from tools.bench.cluster._site import Site, load_average, processor_s, status

COUNTS = ("decisions", "pushed", "requests", "bytes_out", "bytes_in")


def measured(workers: int, seconds: float) -> dict[str, Any]:
    """One number of workers."""
    with tempfile.TemporaryDirectory() as name, Site(Path(name), workers, 1) as site:
        site.begun()
        time.sleep(20.0)  # until each has its first rollout behind it

        def now() -> tuple[float, list[dict[str, Any]], float, float]:
            found = [site.remote(i) or {} for i in range(workers)]
            used = [processor_s(keeper) for keeper in site.workers]
            return time.monotonic(), found, sum(used), processor_s(site.learner)

        begun_s, before, used_before, learner_before = now()
        time.sleep(seconds)
        ended_s, after, used_after, learner_after = now()
        span_s = ended_s - begun_s
        made = {key: sum(a[key] - b[key] for a, b in zip(after, before, strict=True)) for key in COUNTS}
        said = status(site.port) or {}
    return {
        "workers": workers, "seconds": round(span_s, 1), "load_average": load_average(),
        "decisions_s": round(made["decisions"] / span_s, 2),
        "a_game": {
            "decisions_s": round(made["decisions"] / span_s / workers, 3),
            "rollouts_s": round(made["pushed"] / span_s / workers, 4),
            "requests_s": round(made["requests"] / span_s / workers, 4),
            "bytes_out_s": round(made["bytes_out"] / span_s / workers, 1),
            "bytes_in_s": round(made["bytes_in"] / span_s / workers, 1),
            "processor_share": round((used_after - used_before) / span_s / workers, 3),
        },
        "learner_processor_share": round((learner_after - learner_before) / span_s, 3),
        "learner_rss_mb": said.get("rss_mb"), "rollouts": said.get("rollouts", {}),
        "old": sum(each["old"] for each in after), "overflowed": sum(each["overflowed"] for each in after),
    }  # fmt: skip


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", default="1,4,8")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    cases = []
    for workers in map(int, options.workers.split(",")):
        cases.append(measured(workers, options.seconds))
        base = cases[0]["decisions_s"] / cases[0]["workers"]
        cases[-1]["of_linear"] = round(cases[-1]["decisions_s"] / (base * workers), 3)
        publish("cluster_scale", {"cases": cases}, options.out)


if __name__ == "__main__":
    main()
