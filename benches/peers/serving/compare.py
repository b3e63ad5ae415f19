"""What a score costs beside what a user would run instead: prodrome-server with a history of 150 events
and five reasons, a bare tonic echo that reads the same request with prost, and MLServer that gets a
ready row and extracts nothing. Servers stand on core 0 and the client on core 1; runs alternate, and
the medians are printed with the ratios that matter.

    cargo bench --bench score_request -- --models LAB        # five models, and the requests
    cargo build --release; (cd benches/peers/serving/rust; cargo build --release)
    python3 -m venv VENV; VENV/bin/pip install mlserver==1.7.1 mlserver-lightgbm==1.7.1 \\
        uvloop==0.21.0 lightgbm==4.7.0 scikit-learn==1.9.1 numpy==2.4.6
    VENV/bin/python benches/peers/serving/model.py LAB
    python3 benches/peers/serving/compare.py LAB --server target/release/prodrome-server \\
        --rust benches/peers/serving/rust/target/release --venv VENV

Every reply's grpc-status is looked at: a run in which one is not 0 ends the comparison. The time of the
processor is that of the server process (/proc), over all calls of the run.
"""

import argparse
import json
import os
import re
import socket
import statistics
import subprocess
import time
from pathlib import Path

given = argparse.ArgumentParser()
given.add_argument("lab", type=Path)
given.add_argument("--server", type=Path, required=True)
given.add_argument("--rust", type=Path, required=True)
given.add_argument("--venv", type=Path)
given.add_argument("--seconds", type=float, default=5)
given.add_argument("--repeats", type=int, default=3)
given.add_argument("--out", type=Path)
given = given.parse_args()

WARMUP_SECONDS = 0.5
TICKS = os.sysconf("SC_CLK_TCK")
SCORE = "/prodrome.v1.RiskScoring/Score"
INFER = "/inference.GRPCInferenceService/ModelInfer"


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def load(port, path, body, at_once, seconds, warmup):
    """One run of the load client, or None while nobody answers."""
    client = ["taskset", "-c", "1", str(given.rust / "load"), f"127.0.0.1:{port}", path]
    client += [str(given.lab / body), str(at_once), str(seconds), str(warmup)]
    done = subprocess.run(client, capture_output=True, text=True)
    return json.loads(done.stdout) if done.returncode == 0 else None


class Server:
    def __init__(self, command, port, path, body, **environment):
        self.port, self.path, self.body = port, path, body
        began = time.monotonic()
        log = open(given.lab / f"server-{port}.log", "w")
        environment = {**os.environ, **environment}
        command = ["taskset", "-c", "0", *map(str, command)]
        self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        while time.monotonic() - began < 90 and self.process.poll() is None:
            first = load(port, path, body, 1, 0.001, 0)
            if first and first["good"]:
                break
            time.sleep(0.002)
        else:
            raise SystemExit(f"no answer: {command}, see {log.name}")
        self.start_seconds = time.monotonic() - began

    def cpu_seconds(self):
        stat = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(stat[11]) + int(stat[12])) / TICKS

    def rss_mb(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024

    def run(self, at_once, body=None):
        before = self.cpu_seconds()
        found = load(self.port, self.path, body or self.body, at_once, given.seconds, WARMUP_SECONDS)
        if not found or list(found["ends"]) != ["0"]:
            raise SystemExit(f"not every call went well: {found}")
        calls = found["good"] * (given.seconds + WARMUP_SECONDS) / given.seconds
        found["cpu_us"] = (self.cpu_seconds() - before) * 1e6 / calls
        found["rss_mb"] = self.rss_mb()
        return found


def start():
    prodrome = free_port()
    settings = given.lab / "server.toml"
    command = [given.server, "--models", given.lab / "models", "--listen", f"127.0.0.1:{prodrome}"]
    servers = {"prodrome": Server(command, prodrome, SCORE, "score.grpc")}
    echo = free_port()
    command = [given.rust / "echo", f"127.0.0.1:{echo}", 2]
    servers["echo"] = Server(command, echo, SCORE, "score.grpc")
    if given.venv:
        ports = [free_port() for _ in range(3)]
        names = ["MLSERVER_GRPC_PORT", "MLSERVER_HTTP_PORT", "MLSERVER_METRICS_PORT"]
        settings = {name: str(port) for name, port in zip(names, ports)}
        settings |= {
            "MLSERVER_HOST": "127.0.0.1",
            "MLSERVER_PARALLEL_WORKERS": "0",
            "MLSERVER_DEBUG": "false",
            "MLSERVER_LOGGING_SETTINGS": str(given.lab / "quiet.json"),
            "MLSERVER_METRICS_ENDPOINT": "",
            "OMP_NUM_THREADS": "1",
        }
        command = [given.venv / "bin/python", given.venv / "bin/mlserver", "start"]
        command.append(given.lab / "mlserver")
        servers["mlserver"] = Server(command, ports[0], INFER, "mlserver.grpc", **settings)
    return servers


def main():
    servers, runs = start(), {}
    try:
        cases = [(name, name, None) for name in servers]
        cases.insert(1, ("prodrome, no reasons", "prodrome", "plain.grpc"))
        for _ in range(given.repeats):
            for case, name, body in cases:
                for at_once in (1, 16, 64):
                    runs.setdefault((case, at_once), []).append(servers[name].run(at_once, body))
            long = servers["prodrome"].run(1, "long.grpc")
            runs.setdefault(("prodrome, 10,000 events", 1), []).append(long)
    finally:
        for server in servers.values():
            server.process.terminate()
            server.process.wait(30)
    names = ["per_second", "p50_us", "p99_us", "cpu_us", "rss_mb"]
    medians = {
        case: {name: statistics.median(run[name] for run in found) for name in names}
        for case, found in runs.items()
    }
    print(f"{'case':26} {'calls':>5} " + " ".join(f"{name:>10}" for name in names))
    for (case, at_once), found in medians.items():
        print(f"{case:26} {at_once:5} " + " ".join(f"{found[name]:10.1f}" for name in names))
    for name, server in servers.items():
        print(f"{name}: start to first answer {server.start_seconds:.2f} s")
    ours, echo = (lambda c: medians["prodrome", c]), (lambda c: medians["echo", c])
    print(f"throughput at 64, of the echo's: {ours(64)['per_second'] / echo(64)['per_second']:.2f}")
    print(f"processor time at 64, of the echo's: {ours(64)['cpu_us'] / echo(64)['cpu_us']:.2f}")
    print(f"p50 at 1, of the echo's: {ours(1)['p50_us'] / echo(1)['p50_us']:.2f}")
    for at_once in (1, 64):
        share = ours(at_once)["p99_us"] / echo(at_once)["p99_us"]
        print(f"p99 at {at_once}, of the echo's: {share:.2f}")
    if "mlserver" in servers:
        theirs = medians["mlserver", 64]
        print(f"processor time, MLServer's of ours: {theirs['cpu_us'] / ours(64)['cpu_us']:.1f}")
        print(f"memory, MLServer's (2 models) of ours (5): {theirs['rss_mb'] / ours(64)['rss_mb']:.1f}")
    if given.out:
        flat = {f"{case} {at_once}": found for (case, at_once), found in runs.items()}
        given.out.write_text(json.dumps(flat, indent=1))


main()
