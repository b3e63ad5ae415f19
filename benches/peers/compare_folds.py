"""Ours beside the peers on the same held-out rows, four parts of the patients, any number of seeds.

usage: compare_folds.py PEERS_DIR OURS_DIR TABLE.csv[.gz]

PEERS_DIR holds NAME-SEED-PART.parquet of `diabetes130.py`; OURS_DIR holds SEED-PART.parquet, the
predictions.parquet of `prodrome-train evaluate --only-held-out`. Prints for each model the mean AUROC,
Brier score, observed / expected, calibration slope and recall at the 10% highest risk, and for ours minus
each peer the mean AUROC difference with a 95% interval (patients resampled, the same draw for both).
"""
import glob, json, os, re, sys
import numpy as np
import pandas as pd
from scipy.special import expit, logit
from scipy.stats import rankdata

peers, ours, table = sys.argv[1:4]
patient = pd.read_csv(table, dtype=str, usecols=["encounter_id", "patient_nbr"]).set_index("encounter_id").patient_nbr


def auroc(y, p, w):
    order = np.argsort(p, kind="stable")
    y, p, w = y[order], p[order], w[order]
    neg = np.where(y, 0.0, w)
    first = np.r_[True, p[1:] != p[:-1]]
    group = np.cumsum(first) - 1
    ties = np.bincount(group, neg)
    below = np.cumsum(ties) - ties
    return (w * y * (below[group] + ties[group] / 2)).sum() / ((w * y).sum() * neg.sum())


def slope(y, p):
    x, a, b = logit(np.clip(p, 1e-12, 1 - 1e-12)), 0.0, 1.0
    for _ in range(50):
        q = expit(a + b * x)
        g = np.array([(y - q).sum(), ((y - q) * x).sum()])
        w = q * (1 - q)
        h = np.array([[w.sum(), (w * x).sum()], [(w * x).sum(), (w * x * x).sum()]])
        step = np.linalg.solve(h, g)
        a, b = a + step[0], b + step[1]
    return b


def load(path, mine):
    d = pd.read_parquet(path)
    if mine:
        d = d[d.boolean_value.notna() & d.predicted_boolean_probability.notna()]
        ids = (d.patient_id if "patient_id" in d else d.subject_id).astype(str)
        p = d.predicted_boolean_probability
    else:
        ids, p = d.encounter_id.astype(str), d.probability
    return pd.DataFrame(dict(y=d.boolean_value.astype(bool).to_numpy(), p=p.astype(float).to_numpy()), index=ids.to_numpy())


runs = {}
for path in sorted(glob.glob(f"{peers}/*.parquet")):
    name, seed, part = re.match(r"(.+)-(\d+)-(\d)\.parquet", os.path.basename(path)).groups()
    runs.setdefault(name, {})[int(seed), int(part)] = load(path, False)
for path in sorted(glob.glob(f"{ours}/*.parquet")):
    seed, part = re.match(r"(\d+)-(\d)\.parquet", os.path.basename(path)).groups()
    runs.setdefault("Prodrome", {})[int(seed), int(part)] = load(path, True)

for name, of in runs.items():
    rows = []
    for d in of.values():
        y, p = d.y.to_numpy(), d.p.to_numpy()
        top = rankdata(-p, method="average") <= 0.1 * len(p)
        rows.append([auroc(y, p, np.ones(len(p))), ((p - y) ** 2).mean(), y.sum() / p.sum(), slope(y, p), y[top].sum() / y.sum()])
    m = np.mean(rows, 0)
    print(json.dumps(dict(model=name, runs=len(rows), auroc=round(m[0], 4), brier=round(m[1], 5), observed_over_expected=round(m[2], 4),
                          slope=round(m[3], 3), recall_at_10_percent=round(m[4], 4))), flush=True)

mine = runs.get("Prodrome", {})
rng = np.random.default_rng(1)
for name, of in runs.items():
    both = sorted(set(mine) & set(of))
    if name == "Prodrome" or not both:
        continue
    draws = []
    pairs = [(mine[k], of[k].loc[mine[k].index]) for k in both]
    assert all((a.y == b.y).all() for a, b in pairs), "other rows or labels"
    coded = [(a.y.to_numpy(), a.p.to_numpy(), b.p.to_numpy(), pd.factorize(patient.loc[a.index])[0], k[1]) for (a, b), k in zip(pairs, both)]
    point = np.mean([auroc(y, p, np.ones(len(p))) - auroc(y, q, np.ones(len(q))) for y, p, q, _, _ in coded])
    for _ in range(200):
        times = {}
        difference = []
        for y, p, q, g, part in coded:
            # The same patients are drawn for every seed of a part.
            t = times.setdefault(part, np.bincount(rng.integers(0, g.max() + 1, g.max() + 1), minlength=g.max() + 1))
            w = t[g].astype(float)
            difference.append(auroc(y, p, w) - auroc(y, q, w))
        draws.append(np.mean(difference))
    low, high = np.percentile(draws, [2.5, 97.5])
    print(json.dumps(dict(ours_minus=name, runs=len(both), auroc=round(point, 4), low=round(low, 4), high=round(high, 4))), flush=True)
