"""Follow the events of `python -m agent play`, without end or for some seconds.

    python docs/examples/events.py --port 8040 [--seconds 60]

A stream of server-sent events: a line `event: KIND`, a line `data: JSON`, an empty line. A line that begins with a
colon only says that the stream is alive. Standard library only.
"""

import argparse
import json
import time
import urllib.request


def events(url, end_s):
    """Kind and values of each event until `end_s` of time.monotonic()."""
    kind = ""
    with urllib.request.urlopen(url, timeout=30) as stream:  # a line comes at least every 15 seconds
        for line in stream:
            text = line.decode().rstrip("\n")
            if text.startswith("event: "):
                kind = text.removeprefix("event: ")
            elif text.startswith("data: "):
                yield kind, json.loads(text.removeprefix("data: "))
            if time.monotonic() >= end_s:
                return


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8040)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    args = parser.parse_args()
    for kind, values in events(f"http://127.0.0.1:{args.port}/events/stream", time.monotonic() + args.seconds):
        if kind == "gap":
            print(f"{values['missed']} events were missed: read faster", flush=True)
        else:
            print(f"{kind}: {values['message']}", values["payload"], flush=True)


if __name__ == "__main__":
    main()
