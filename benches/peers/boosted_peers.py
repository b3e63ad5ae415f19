"""Fits LightGBM, scikit-learn and XGBoost on the table of `cargo bench --bench boosted`.

usage: boosted_peers.py fit FOLDER [ROUNDS]            the folder that PRODROME_TABLE named
       boosted_peers.py table diabetic_data.csv FOLDER  makes the folder from Diabetes-130
needs: numpy pandas lightgbm scikit-learn xgboost
200 rounds of 31 leaves, rate 0.05, one thread; processor seconds include the making of the bins.
"""
import os
import sys
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"
import numpy as np


def read(folder):
    y, y_test = (np.fromfile(f"{folder}/{name}.u8", np.uint8) for name in ("y", "y_test"))
    x = np.fromfile(f"{folder}/x.f32", np.float32).reshape(len(y), -1)
    return x, y, np.fromfile(f"{folder}/x_test.f32", np.float32).reshape(len(y_test), -1), y_test


def peers():
    import lightgbm
    import xgboost
    from sklearn.ensemble import HistGradientBoostingClassifier

    yield "LightGBM", lambda: lightgbm.LGBMClassifier(
        n_estimators=200, num_leaves=31, learning_rate=0.05, n_jobs=1, verbose=-1)
    yield "XGBoost", lambda: xgboost.XGBClassifier(
        n_estimators=200, max_leaves=31, max_depth=0, grow_policy="lossguide", tree_method="hist",
        learning_rate=0.05, n_jobs=1)
    yield "HistGradientBoosting", lambda: HistGradientBoostingClassifier(
        max_iter=200, max_leaf_nodes=31, learning_rate=0.05, early_stopping=False)


def fit(folder, rounds=5):
    from sklearn.metrics import roc_auc_score

    x, y, x_test, y_test = read(folder)
    models = list(peers())
    costs, last = {name: [] for name, _ in models}, {}
    for _ in range(int(rounds)):
        for name, make in models:
            model, began, used = make(), time.perf_counter(), time.process_time()
            model.fit(x, y)
            costs[name].append((time.process_time() - used, time.perf_counter() - began))
            last[name] = model
    for name, each in costs.items():
        processor, wall = (sorted(times) for times in zip(*each))
        middle = len(each) // 2
        area = roc_auc_score(y_test, last[name].predict_proba(x_test)[:, 1])
        print(f"{name}: processor {processor[middle]:.2f} s (least {processor[0]:.2f}), "
              f"wall {wall[middle]:.2f} s (least {wall[0]:.2f}), AUROC {area:.4f}")


NUMBERS = ["time_in_hospital", "num_lab_procedures", "num_procedures", "num_medications",
           "number_outpatient", "number_emergency", "number_inpatient", "number_diagnoses"]
DRUGS = ["metformin", "insulin", "glipizide", "glyburide", "pioglitazone", "rosiglitazone",
         "glimepiride", "repaglinide"]
GROUPS = ["circ", "resp", "dig", "diab", "inj", "musc", "gu", "neo"]


def group(codes):
    import pandas as pd

    number = pd.to_numeric(codes, errors="coerce") // 1
    between = number.between
    is_in = [between(390, 459) | (number == 785), between(460, 519) | (number == 786),
             between(520, 579) | (number == 787), number == 250, between(800, 999),
             between(710, 739), between(580, 629) | (number == 788), between(140, 239)]
    return np.select(is_in, GROUPS, default="other")


def table(source, folder):
    """62 plain columns; patients are split 3 to 1, stays that ended in death or hospice left out."""
    import pandas as pd

    frame = pd.read_csv(source, na_values=["?"], low_memory=False, keep_default_na=False)
    gone = frame.discharge_disposition_id.isin([11, 13, 14, 19, 20, 21])
    frame = frame[~gone].reset_index(drop=True)
    columns = {"age": frame.age.str.extract(r"\[(\d+)")[0].astype(float) + 5}
    columns |= {name: frame[name].astype(float) for name in NUMBERS}
    columns["female"] = frame.gender == "Female"
    for name in ["AfricanAmerican", "Asian", "Caucasian", "Hispanic", "Other"]:
        columns[f"race_{name}"] = frame.race == name
    for name, kinds in dict(admission_type_id=[1, 2, 3], admission_source_id=[1, 4, 6, 7],
                            discharge_disposition_id=[1, 2, 3, 5, 6, 22]).items():
        columns |= {f"{name}_{kind}": frame[name] == kind for kind in kinds}
    columns["a1c"] = frame.A1Cresult.map({"Norm": 0, ">7": 1, ">8": 2})
    columns["glucose"] = frame.max_glu_serum.map({"Norm": 0, ">200": 1, ">300": 2})
    levels = {"No": 0, "Steady": 1, "Up": 2, "Down": 3}
    columns |= {name: frame[name].map(levels) for name in DRUGS}
    columns["change"], columns["drugs"] = frame.change == "Ch", frame.diabetesMed == "Yes"
    first, second, third = (group(frame[f"diag_{place}"]) for place in (1, 2, 3))
    for name in GROUPS:
        columns[f"first_{name}"] = first == name
        columns[f"any_{name}"] = (second == name) | (third == name)
    for name in ["Cardiology", "InternalMedicine", "Family/GeneralPractice", "Emergency/Trauma",
                 "Surgery-General", "Nephrology"]:
        columns[name] = frame.medical_specialty == name
    x = pd.DataFrame({name: np.asarray(column, float) for name, column in columns.items()})
    x, y = x.to_numpy(np.float32), (frame.readmitted == "<30").to_numpy(np.uint8)
    numbers, of = np.unique(frame.patient_nbr, return_inverse=True)
    train = (np.random.default_rng(11).random(len(numbers)) < 0.75)[of]
    os.makedirs(folder, exist_ok=True)
    x[train].tofile(f"{folder}/x.f32")
    y[train].tofile(f"{folder}/y.u8")
    x[~train].tofile(f"{folder}/x_test.f32")
    y[~train].tofile(f"{folder}/y_test.u8")
    of[train].astype(np.uint32).tofile(f"{folder}/patients.u32")
    print(x.shape, int(train.sum()), float(y.mean()))


if __name__ == "__main__":
    {"fit": fit, "table": table}[sys.argv[1]](*sys.argv[2:])
