"""Runs `prodrome-train fit` and its peer on the same simulated MEDS export, alternating.

    python meds_pipeline_both.py --train target/release/prodrome-train --work FOLDER [--patients 50000]
        [--rounds 3] [--task models/readmit30/task.toml] [--fit-options "--families boosted"]

The export is made once in FOLDER and split by subject (70% train, 10% tuning, 20% held out), so that
both sides fit and judge on the same rows. It prints one line a run (wall and CPU seconds, most memory)
and the medians, and the AUROC of both sides and of the true probabilities on the held-out rows.

needs polars, lightgbm, scikit-learn, numpy, and GNU time.
"""

import argparse
import json
import pathlib
import shlex
import shutil
import statistics
import subprocess
import sys

import polars as pl
from sklearn.metrics import roc_auc_score

HERE = pathlib.Path(__file__).resolve().parent


def timed(command):
    """Wall seconds, CPU seconds and the most memory in MB of a command."""
    run = subprocess.run(
        ["/usr/bin/time", "-f", "%e %U %S %M", *map(str, command)], capture_output=True, text=True
    )
    if run.returncode:
        sys.exit(f"{command[0]}: {run.stderr[-2000:]}")
    wall, user, system, memory = run.stderr.strip().splitlines()[-1].split()
    return {"wall": float(wall), "cpu": float(user) + float(system), "MB": int(memory) / 1024}


def prepare(train, task, export, patients):
    if not export.exists():
        options = ["--patients", patients, "--years", 10, "--format", "meds", "--out", export, "-q"]
        timed([train, "simulate", *options])
    splits = export / "metadata/subject_splits.parquet"
    if not splits.exists():
        ids = pl.read_parquet(f"{export}/data/*.parquet", columns=["subject_id"]).unique()
        part = pl.col("subject_id").hash(7) % 10
        named = pl.when(part < 2).then(pl.lit("held_out")).when(part == 2).then(pl.lit("tuning"))
        ids.sort("subject_id").with_columns(
            named.otherwise(pl.lit("train")).alias("split")
        ).write_parquet(splits)
    labels = export.with_name(f"{export.name}_labels.parquet")
    if not labels.exists():
        timed([train, "cohort", "--task", task, "--export", export, "--out", labels, "-q"])
    return labels



def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--train", required=True, type=pathlib.Path)
    parser.add_argument("--work", required=True, type=pathlib.Path)
    parser.add_argument("--task", default="models/readmit30/task.toml", type=pathlib.Path)
    parser.add_argument("--patients", default=50_000, type=int)
    parser.add_argument("--rounds", default=3, type=int)
    parser.add_argument("--fit-options", default="")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    export = given.work / f"export_{given.patients}"
    labels = prepare(given.train, given.task, export, given.patients)
    models, said = given.work / "models", given.work / "peer.json"
    ours = [given.train, "fit", "--task", given.task, "--export", export, "--models", models, "-q"]
    ours += shlex.split(given.fit_options)
    peer = [sys.executable, HERE / "meds_pipeline.py", export, labels, said]
    runs = {"prodrome": [], "peer": []}
    for _ in range(given.rounds):
        for name, command in [("peer", peer), ("prodrome", ours)]:
            shutil.rmtree(models, ignore_errors=True)
            run = timed(command)
            runs[name].append(run)
            print(name, {key: round(value, 2) for key, value in run.items()}, flush=True)
    middle = {
        name: {key: statistics.median(run[key] for run in of) for key in of[0]}
        for name, of in runs.items()
    }
    for key in ["wall", "cpu", "MB"]:
        one, other = middle["prodrome"][key], middle["peer"][key]
        print(f"{key}: prodrome {one:.2f}, peer {other:.2f}, {other / one:.2f} times")
    judge(given, export, models, said)


def judge(given, export, models, said):
    """The AUROC on the held-out rows, of both sides and of the truth."""
    bundle = next(models.glob("*/1"))
    out = given.work / "scored.parquet"
    out.unlink(missing_ok=True)
    timed([given.train, "score", "--bundle", bundle, "--export", export, "--out", out, "-q"])
    task = bundle.parent.name
    truth = pl.read_parquet(export / "truth.parquet").filter(pl.col("task") == task)
    truth = truth.select("subject_id", "prediction_time", "boolean_value", "probability")
    truth = truth.drop_nulls("boolean_value").rename({"probability": "true"})
    theirs = pl.read_parquet(f"{said}.parquet").rename({"probability": "theirs"})
    mine = pl.read_parquet(out).select(
        "subject_id", "prediction_time", pl.col("predicted_boolean_probability").alias("mine")
    )
    key = ["subject_id", "prediction_time"]
    rows = theirs.join(mine.drop_nulls("mine"), on=key).join(truth, on=key)
    print("peer:", json.loads(said.read_text()))
    for column in ["mine", "theirs", "true"]:
        print(f"AUROC {column}: {roc_auc_score(rows['boolean_value'], rows[column]):.4f}")
    print(f"on {rows.height} held-out rows")


if __name__ == "__main__":
    main()
