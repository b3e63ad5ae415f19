"""The Python peers on Diabetes-130: the same rows and raw columns, patients in four parts, tuned.

usage: diabetes130.py TABLE.csv[.gz] LABELS.parquet OUT [--trials N] [--seeds 1,2,3] [--only NAME,...]

TABLE is the source's file; LABELS is what `prodrome-train cohort` wrote for it, so that the peers judge
exactly the rows that Prodrome does. Every part of the patients (the one that `--held-out k/4` holds out)
is judged once for each seed by models that saw the others only. Each peer gets N settings, drawn by the
seed, judged on a quarter of the training patients, and is then fitted again on all of them with the best
one. Predictions go to OUT/NAME-seed-part.parquet (encounter_id, boolean_value, probability): patient
data, to be deleted afterwards. `compare_folds.py` reads them.

needs: lightgbm xgboost scikit-learn pandas pyarrow
"""
import argparse, hashlib, json, os, time, warnings
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

warnings.filterwarnings("ignore")
PARTS = 4
NUMBERS = ["time_in_hospital", "num_lab_procedures", "num_procedures", "num_medications",
           "number_outpatient", "number_emergency", "number_inpatient", "number_diagnoses"]


def part(purpose, group, parts):
    head = hashlib.sha256(f"prodrome/{purpose}/1/{group}".encode()).digest()[:8]
    return int.from_bytes(head, "big") % parts


def read(table, labels):
    d = pd.read_csv(table, keep_default_na=False, dtype=str).set_index("encounter_id")
    rows = pd.read_parquet(labels)
    ids = (rows.patient_id if "patient_id" in rows else rows.subject_id).astype(str)
    d = d.loc[ids.values].copy()
    y = rows.boolean_value.to_numpy().astype(int)
    group = d.patient_nbr.to_numpy()
    d = d.drop(columns=["patient_nbr", "readmitted"])
    for c in NUMBERS:
        d[c] = d[c].astype(float)
    d["age"] = d.age.str.extract(r"\[(\d+)")[0].astype(float)
    d["weight"] = d.weight.str.extract(r"(\d+)")[0].astype(float)
    cats = [c for c in d if c not in NUMBERS + ["age", "weight"] and d[c].nunique() > 1]
    d = d[NUMBERS + ["age", "weight"] + cats]
    return d, cats, y, group


def codes(train, other, cats, fewest, most):
    """Categories as small integers, rare ones together: what native categorical splits want."""
    enc = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan,
                         min_frequency=fewest, max_categories=most)
    enc.fit(train[cats])
    def one(frame):
        return pd.concat([frame.drop(columns=cats).reset_index(drop=True),
                          pd.DataFrame(enc.transform(frame[cats]), columns=cats)], axis=1)
    return one(train), one(other)


def one_hot(train, other, cats, fewest, scale):
    numbers = [c for c in train if c not in cats]
    number = [SimpleImputer(strategy="median", add_indicator=True)] + ([StandardScaler()] if scale else [])
    pre = ColumnTransformer([("n", make_pipeline(*number), numbers),
                             ("c", OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=fewest), cats)])
    a = pre.fit_transform(train).astype(np.float32)
    return a, pre.transform(other).astype(np.float32)


def lightgbm(rng):
    p = dict(learning_rate=0.05, num_leaves=int(rng.choice([7, 15, 31, 63])), min_child_samples=int(rng.choice([20, 50, 100, 200])),
             reg_lambda=float(rng.choice([0, 1, 10])), colsample_bytree=float(rng.choice([0.3, 0.5, 1.0])),
             subsample=float(rng.choice([0.7, 1.0])), subsample_freq=1, cat_smooth=float(rng.choice([10, 50, 200])), min_data_per_group=100)
    def fit(X, y, cats, seed, watch=None, rounds=1000):
        import lightgbm as lgb
        m = lgb.LGBMClassifier(n_estimators=rounds, random_state=seed, n_jobs=1, verbosity=-1, **p)
        kw = dict(categorical_feature=cats)
        if watch:
            kw.update(eval_set=[watch], eval_metric="logloss", callbacks=[lgb.early_stopping(40, verbose=False)])
        m.fit(X, y, **kw)
        return m, (m.best_iteration_ if watch else rounds)
    return p, lambda a, b, cats: codes(a, b, cats, 20, 1000), fit


def xgboost(rng):
    p = dict(learning_rate=0.05, max_depth=int(rng.choice([3, 4, 5, 6])), min_child_weight=float(rng.choice([1, 5, 20])),
             reg_lambda=float(rng.choice([1, 10])), colsample_bytree=float(rng.choice([0.3, 0.5, 1.0])), subsample=float(rng.choice([0.7, 1.0])))
    def as_cat(X, cats):
        X = X.copy()
        for c in cats:
            X[c] = pd.Categorical(X[c].fillna(-1).astype(int), categories=range(-1, 1000))
        return X
    def fit(X, y, cats, seed, watch=None, rounds=1000):
        from xgboost import XGBClassifier
        m = XGBClassifier(n_estimators=rounds, random_state=seed, n_jobs=1, tree_method="hist", enable_categorical=True,
                          max_cat_to_onehot=8, early_stopping_rounds=40 if watch else None, eval_metric="logloss", **p)
        m.fit(as_cat(X, cats), y, **(dict(eval_set=[(as_cat(watch[0], cats), watch[1])], verbose=False) if watch else {}))
        predict = m.predict_proba
        m.predict_proba = lambda X: predict(as_cat(X, cats))
        return m, (m.best_iteration + 1 if watch else rounds)
    return p, lambda a, b, cats: codes(a, b, cats, 20, 900), fit


def hist(rng):
    p = dict(learning_rate=0.05, max_leaf_nodes=int(rng.choice([7, 15, 31])), min_samples_leaf=int(rng.choice([20, 50, 100, 200])),
             l2_regularization=float(rng.choice([0, 1, 10])), max_features=float(rng.choice([0.3, 0.5, 1.0])))
    def fit(X, y, cats, seed, watch=None, rounds=1000):
        kw = dict(categorical_features=cats, random_state=seed, **p)
        if watch:
            m = HistGradientBoostingClassifier(max_iter=rounds, early_stopping=True, n_iter_no_change=40, **kw)
            m.fit(X, y, X_val=watch[0], y_val=watch[1])
            return m, m.n_iter_
        m = HistGradientBoostingClassifier(max_iter=rounds, early_stopping=False, **kw).fit(X, y)
        return m, rounds
    return p, lambda a, b, cats: codes(a, b, cats, 20, 250), fit


def forest(rng):
    p = dict(n_estimators=200, max_depth=[12, 16, 20, None][rng.integers(4)], min_samples_leaf=int(rng.choice([5, 10, 20])),
             max_features=["sqrt", 0.1, 0.2][rng.integers(3)])
    def fit(X, y, cats, seed, watch=None, rounds=0):
        return RandomForestClassifier(random_state=seed, n_jobs=1, **p).fit(X, y), 0
    return p, lambda a, b, cats: tuple(x.fillna(-1) for x in codes(a, b, cats, 20, 1000)), fit


def logistic(rng):
    p = dict(C=float(rng.choice([0.003, 0.01, 0.03, 0.1, 0.3])))
    fewest = int(rng.choice([20, 50, 100]))
    def fit(X, y, cats, seed, watch=None, rounds=0):
        return LogisticRegression(max_iter=300, solver="lbfgs", **p).fit(X, y), 0
    return {**p, "min_frequency": fewest}, lambda a, b, cats: one_hot(a, b, cats, fewest, True), fit


PEERS = dict(LightGBM=lightgbm, XGBoost=xgboost, HistGradientBoosting=hist, RandomForest=forest, LogisticRegression=logistic)


def main():
    a = argparse.ArgumentParser()
    a.add_argument("table"), a.add_argument("labels"), a.add_argument("out")
    a.add_argument("--trials", type=int, default=8), a.add_argument("--seeds", default="1,2,3"), a.add_argument("--only", default="")
    a = a.parse_args()
    d, cats, y, group = read(a.table, a.labels)
    ids = d.index.to_numpy()
    os.makedirs(a.out, mode=0o700, exist_ok=True)
    held = np.array([part("split", g, PARTS) for g in group])
    inner = np.array([part("tune", g, PARTS) for g in group])
    for seed in map(int, a.seeds.split(",")):
        for name, peer in PEERS.items():
            if a.only and name not in a.only.split(","):
                continue
            for k in range(PARTS):
                path = f"{a.out}/{name}-{seed}-{k}.parquet"
                if os.path.exists(path):
                    continue
                begun = time.process_time()
                rng = np.random.default_rng([seed, k])
                train, test = held != k, held == k
                fold = train & (inner == (k + seed) % PARTS)
                learn = train & ~fold
                best = None
                # A forest's settings differ little and cost the most.
                for _ in range(min(a.trials, 4) if name == "RandomForest" else a.trials):
                    params, prepare, fit = peer(rng)
                    X, V = prepare(d[learn], d[fold], cats)
                    m, rounds = fit(X, y[learn], cats, seed, (V, y[fold]))
                    loss = log_loss(y[fold], m.predict_proba(V)[:, 1])
                    if best is None or loss < best[0]:
                        best = (loss, prepare, (fit, rounds), json.dumps(params, sort_keys=True))
                loss, prepare, (fit, rounds), key = best
                X, T = prepare(d[train], d[test], cats)
                m, _ = fit(X, y[train], cats, seed, None, **({"rounds": rounds} if rounds else {}))
                p = m.predict_proba(T)[:, 1]
                pd.DataFrame(dict(encounter_id=ids[test], boolean_value=y[test].astype(bool), probability=p)).to_parquet(path)
                print(json.dumps(dict(peer=name, seed=seed, part=k, auroc=round(roc_auc_score(y[test], p), 4), rounds=rounds,
                                      cpu_s=round(time.process_time() - begun, 1), params=key)), flush=True)


main()
