"""The peer of `prodrome-train fit`: what a good data scientist writes in an afternoon.

MEDS export -> 70 features at each index time (polars) -> LightGBM with early stopping, calibrated by
isotonic regression on the tuning part and judged on the held-out part. The labels are given to it: the
label file of `prodrome-train cohort`. Run by `meds_pipeline_both.py`.

    python meds_pipeline.py EXPORT LABELS OUT.json

needs polars, lightgbm, scikit-learn, numpy.
"""

import json
import sys
import time

import lightgbm as lgb
import numpy as np
import polars as pl
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

THREADS = 2
WINDOWS = [("30d", 30), ("365d", 365), ("ever", 100_000)]
KINDS = {
    "stay": "^HOSPITAL_ADMISSION",
    "emergency": "^ED_REGISTRATION",
    "visit": "^VISIT//",
    "diagnosis": "^ICD10CM//",
    "drug": "^RXNORM//",
    "procedure": "^(ICD10PCS|CPT)//",
    "measurement": "^LOINC//",
}
COMORBIDITIES = {
    "infarction": "I2[12]|I252",
    "heart_failure": "I50|I110|I130",
    "vascular": "I7[013]",
    "cerebrovascular": "I6[0-9]|G4[56]",
    "dementia": "F0[0-3]|G30",
    "pulmonary": "J4[0-7]",
    "rheumatic": "M0[56]|M3[2-4]",
    "ulcer": "K2[5-8]",
    "liver": "K7[0-4]|B18",
    "diabetes": "E1[0-4]",
    "renal": "N18|N19|I12",
    "cancer": "C[0-7]",
    "hypertension": "I1[0-5]",
}
MEASUREMENTS = {
    "haemoglobin": "718-7",
    "sodium": "2951-2",
    "potassium": "2823-3",
    "creatinine": "2160-0",
    "glucose": "2345-7",
    "cholesterol": "2093-3",
    "hdl": "2085-9",
    "bmi": "39156-5",
    "systolic": "8480-6",
    "hba1c": "4548-4",
}
DAY = 86_400_000_000


def read(export):
    columns = ["subject_id", "time", "code", "numeric_value"]
    return pl.read_parquet(f"{export}/data/*.parquet", columns=columns)


def person(events, rows):
    birth = events.filter(pl.col("code") == "MEDS_BIRTH").group_by("subject_id").agg(
        pl.col("time").first().alias("birth")
    )
    sex = events.filter(pl.col("code").str.starts_with("GENDER//")).group_by("subject_id").agg(
        (pl.col("code").first() == "GENDER//F").cast(pl.Float32).alias("female")
    )
    found = rows.join(birth, on="subject_id", how="left").join(sex, on="subject_id", how="left")
    age = (pl.col("prediction_time") - pl.col("birth")).dt.total_days() / 365.25
    return found.select("row", age.alias("age"), "female")


def stay(past):
    """Length of the stay that ends at the index time, how it began and where it led."""
    begun = pl.col("code").str.starts_with("HOSPITAL_ADMISSION")
    ended = pl.col("code").str.starts_with("HOSPITAL_DISCHARGE") & (pl.col("days") == 0)
    levels = {"emergency": "EMER", "urgent": "URGENT", "elective": "ELECTIVE"}
    places = {"home": "home|HOME", "nursing": "snf|SKILLED|SNF", "other": "oth|OTH"}
    return past.filter(begun | ended).sort("time").group_by("row").agg(
        pl.col("days").filter(begun).last().alias("stay_days"),
        *[
            pl.col("code").filter(begun).last().str.contains(f"(?i){word}").alias(f"came_{name}")
            for name, word in levels.items()
        ],
        *[
            pl.col("code").filter(ended).last().str.contains(word).alias(f"went_{name}")
            for name, word in places.items()
        ],
    )


def counts(past):
    each = [
        (pl.col("code").str.contains(pattern) & (pl.col("days") < days)).sum().alias(f"{kind}_{name}")
        for kind, pattern in KINDS.items()
        for name, days in WINDOWS
    ]
    return past.group_by("row").agg(each)


def comorbidities(past):
    diagnoses = past.filter(pl.col("code").str.starts_with("ICD10CM//"))
    each = [
        pl.col("code").str.contains(f"^ICD10CM//({pattern})").any().alias(name)
        for name, pattern in COMORBIDITIES.items()
    ]
    return diagnoses.group_by("row").agg(each)


def measurements(past, rows):
    found = rows.select("row")
    for name, code in MEASUREMENTS.items():
        values = past.filter((pl.col("code") == f"LOINC//{code}") & (pl.col("days") < 365))
        x, y = pl.col("days"), pl.col("numeric_value")
        each = values.drop_nulls("numeric_value").sort("time").group_by("row").agg(
            y.last().alias(f"{name}_last"),
            y.mean().alias(f"{name}_mean"),
            (-pl.cov(x, y) / x.var()).alias(f"{name}_slope"),
        )
        found = found.join(each, on="row", how="left")
    return found


def features(events, rows):
    past = rows.join(events, on="subject_id").filter(pl.col("time") <= pl.col("prediction_time"))
    days = (pl.col("prediction_time") - pl.col("time")).dt.total_microseconds() / DAY
    past = past.with_columns(days.alias("days"))
    parts = [person(events, rows), stay(past), counts(past), comorbidities(past)]
    parts.append(measurements(past, rows))
    table = rows.select("row")
    for part in parts:
        table = table.join(part, on="row", how="left")
    return table.sort("row").drop("row").cast(pl.Float32)


def main(export, labels, out):
    began = time.perf_counter()
    steps = {}

    def step(name):
        nonlocal began
        steps[name], began = round(time.perf_counter() - began, 3), time.perf_counter()

    events = read(export)
    splits = pl.read_parquet(f"{export}/metadata/subject_splits.parquet")
    rows = pl.read_parquet(labels).join(splits, on="subject_id").with_row_index("row")
    step("read")
    table = features(events, rows)
    step("features")
    x, y = table.to_numpy(), rows["boolean_value"].to_numpy()
    part = {name: (rows["split"] == name).to_numpy() for name in ["train", "tuning", "held_out"]}
    data = {name: lgb.Dataset(x[at], y[at]) for name, at in part.items() if name != "held_out"}
    params = {
        "objective": "binary",
        "metric": "binary_logloss",
        "learning_rate": 0.05,
        "num_leaves": 31,
        "min_data_in_leaf": 50,
        "feature_fraction": 0.8,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "num_threads": THREADS,
        "verbosity": -1,
        "seed": 1,
    }
    model = lgb.train(
        params,
        data["train"],
        num_boost_round=1_000,
        valid_sets=[data["tuning"]],
        callbacks=[lgb.early_stopping(40, verbose=False)],
    )
    step("fit")
    said = model.predict(x)
    calibrator = IsotonicRegression(y_min=1e-4, y_max=1 - 1e-4, out_of_bounds="clip")
    calibrator.fit(said[part["tuning"]], y[part["tuning"]])
    held = part["held_out"]
    raw, p, truth = said[held], calibrator.predict(said[held]), y[held]
    rng = np.random.default_rng(1)
    draws = [rng.integers(0, len(truth), len(truth)) for _ in range(200)]
    areas = [roc_auc_score(truth[draw], raw[draw]) for draw in draws]
    step("evaluation")
    report = {
        "rows": len(y),
        "columns": x.shape[1],
        "trees": model.best_iteration,
        "auroc": roc_auc_score(truth, raw),
        "auroc_interval": list(np.percentile(areas, [2.5, 97.5])),
        "average_precision": average_precision_score(truth, p),
        "brier": brier_score_loss(truth, p),
        "seconds": steps,
    }
    with open(out, "w") as file:
        json.dump(report, file)
    predictions = rows.filter(pl.col("split") == "held_out").select("subject_id", "prediction_time")
    predictions.with_columns(pl.Series("probability", raw)).write_parquet(f"{out}.parquet")


if __name__ == "__main__":
    main(*sys.argv[1:])
