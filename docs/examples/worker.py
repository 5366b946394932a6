"""A worker: plays a toy game elsewhere, and pushes what it saw to the learner of `python -m agent play`.

    python docs/examples/worker.py --port 8040 --token TOKEN [--pushes 3]

The toy: one number is seen, and the axis should be its opposite. Standard library only.
"""

import argparse
import json
import random
import urllib.request

NAME = "toy"


def request(url, token, body=None):
    """Send JSON (or ask, without a body); returns the answer, None where there is nothing new (204)."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=120) as reply:
        return None if reply.status == 204 else json.load(reply)


def play(steps, rng):
    """A rollout: row t has what was seen, the action taken at it, and the reward that followed."""
    obs = [[rng.uniform(-1, 1), 1.0] for _ in range(steps)]
    actions = [[rng.uniform(-1, 1)] for _ in range(steps)]
    rewards = [-abs(seen[0] + action[0]) for seen, action in zip(obs, actions, strict=True)]
    dones = [t == steps - 1 for t in range(steps)]
    return {"obs": obs, "actions_cont": actions, "rewards": rewards, "dones": dones}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8040)
    parser.add_argument("--token", required=True)
    parser.add_argument("--pushes", type=int, default=3)
    args = parser.parse_args()
    base, who = f"http://127.0.0.1:{args.port}", {"instance_id": "worker-0", "policy_name": NAME}
    sizes = {"obs_dim": 2, "action_dim": 1, "branches": []}
    print("registered:", request(f"{base}/register_worker", args.token, {**who, "capabilities": sizes}))
    rng, version = random.Random(0), -1
    for _ in range(args.pushes):
        reply = request(f"{base}/push_rollout", args.token, {**who, **play(64, rng)})
        print(f"version {reply['version']}:", ", ".join(f"{k} {v:.3g}" for k, v in sorted(reply["losses"].items())[:4]))
        newer = request(f"{base}/get_weights?policy_name={NAME}&since_version={version}", args.token)
        if newer is not None:
            version = newer["version"]
            print(f"weights {version}: {len(newer['weights_b64'])} characters of base64, a safetensors file")


if __name__ == "__main__":
    main()
