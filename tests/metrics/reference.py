"""Figures of evaluation by scikit-learn, statsmodels and numpy: `python reference.py > reference.json`.

Made with scikit-learn 1.9, statsmodels 0.15 and numpy 2. The rows are drawn here; nobody's records.
"""

import json

import numpy as np
import statsmodels.api as sm
from sklearn.metrics import (average_precision_score, brier_score_loss, log_loss,
                             mean_absolute_error, roc_auc_score)

DRAWS = 4000
rng = np.random.default_rng(130)
rows = 360
patients = np.sort(rng.integers(0, 240, rows))
true_log_odds = rng.normal(-1.1, 1.0, rows) + rng.normal(0, 0.5, 240)[patients]
y = (rng.random(rows) < 1 / (1 + np.exp(-true_log_odds))).astype(int)
# Overconfident, shifted, and in steps, so that some tie.
p = np.round(1 / (1 + np.exp(-(1.5 * true_log_odds + 0.3 + rng.normal(0, 0.6, rows)))), 2)
p = np.clip(p, 0.01, 0.99)
other = np.round(1 / (1 + np.exp(-(true_log_odds + rng.normal(0, 1.2, rows)))), 3)
weight = np.round(rng.uniform(0.5, 3.0, rows), 2)


def log_odds(values):
    return np.log(values / (1 - values))


def quantile(values, share):
    """The value below which this share of the weight lies."""
    order = np.argsort(values, kind="stable")
    sums = np.cumsum(weight[order])
    return values[order][np.searchsorted(sums, share * sums[-1], side="right")]


def glm(columns, offset=None):
    family = sm.families.Binomial()
    return sm.GLM(y, columns, family=family, offset=offset, freq_weights=weight).fit(tol=1e-12)


def spline(x):
    """Restricted cubic spline, Harrell's five knots and scaling."""
    t = [quantile(x, share) for share in (0.05, 0.275, 0.5, 0.725, 0.95)]
    cube = lambda knot: np.maximum(x - knot, 0) ** 3
    bent = [(cube(a) - cube(t[3]) * (t[4] - a) / (t[4] - t[3]) + cube(t[4]) * (t[3] - a) / (t[4] - t[3]))
            / (t[4] - t[0]) ** 2 for a in t[:3]]
    return np.column_stack([np.ones_like(x), x, *bent])


def at_cut(cut):
    flagged = p >= cut
    total, with_outcome = weight.sum(), weight[y == 1].sum()
    true, false = weight[flagged & (y == 1)].sum(), weight[flagged & (y == 0)].sum()
    return {"cut": cut, "flagged": (true + false) / total, "ppv": true / (true + false),
            "sensitivity": true / with_outcome, "specificity": 1 - false / (total - with_outcome),
            "net_benefit": true / total - false / total * cut / (1 - cut)}


def at_top(share):
    """Lots are drawn among those who tie at the end of the share: the mean over all lots."""
    target, taken, found = share * weight.sum(), 0.0, 0.0
    for value in np.unique(p)[::-1]:
        tie = p == value
        part = min(1.0, max(0.0, (target - taken) / weight[tie].sum()))
        taken += part * weight[tie].sum()
        found += part * weight[tie & (y == 1)].sum()
    return {"top_share": share, "ppv": found / target, "sensitivity": found / weight[y == 1].sum()}


def drawn():
    """Figures of resampled patients."""
    of = [np.flatnonzero(patients == patient) for patient in np.unique(patients)]
    for _ in range(DRAWS):
        chosen = np.concatenate([of[i] for i in rng.integers(0, len(of), len(of))])
        w, yy = weight[chosen], y[chosen]
        prevalence = np.average(yy, weights=w)
        brier = np.average((p[chosen] - yy) ** 2, weights=w)
        model = sm.GLM(yy, sm.add_constant(log_odds(p[chosen])), family=sm.families.Binomial(),
                       freq_weights=w).fit()
        auroc = roc_auc_score(yy, p[chosen], sample_weight=w)
        yield [auroc, average_precision_score(yy, p[chosen], sample_weight=w), brier,
               1 - brier / (prevalence * (1 - prevalence)), prevalence / np.average(p[chosen], weights=w),
               model.params[0], model.params[1],
               auroc - roc_auc_score(yy, other[chosen], sample_weight=w)]


line = glm(sm.add_constant(log_odds(p)))
shift = glm(np.ones((rows, 1)), offset=log_odds(p))
smooth = glm(spline(log_odds(p))).fittedvalues
errors = np.abs(smooth - p)
prevalence = np.average(y, weights=weight)
brier = brier_score_loss(y, p, sample_weight=weight)
names = ["auroc", "average_precision", "brier", "scaled_brier", "observed_over_expected",
         "calibration_intercept", "calibration_slope", "auroc_difference"]
low, high = np.percentile(np.array(list(drawn())), [2.5, 97.5], axis=0)
print(json.dumps({
    "p": p.tolist(), "other": other.tolist(), "y": y.tolist(), "patients": patients.tolist(),
    "weight": weight.tolist(),
    "figures": {
        "auroc": roc_auc_score(y, p, sample_weight=weight),
        "average_precision": average_precision_score(y, p, sample_weight=weight),
        "brier": brier, "scaled_brier": 1 - brier / (prevalence * (1 - prevalence)),
        "log_loss": log_loss(y, p, sample_weight=weight),
        "observed_over_expected": prevalence / np.average(p, weights=weight),
        "calibration_in_the_large": shift.params[0],
        "calibration_intercept": line.params[0], "calibration_slope": line.params[1],
        "ici": mean_absolute_error(p, smooth, sample_weight=weight),
        "e50": quantile(errors, 0.5), "e90": quantile(errors, 0.9),
        "auroc_difference": roc_auc_score(y, p, sample_weight=weight)
        - roc_auc_score(y, other, sample_weight=weight),
        "brier_difference": brier - brier_score_loss(y, other, sample_weight=weight),
        "log_loss_difference": log_loss(y, p, sample_weight=weight)
        - log_loss(y, other, sample_weight=weight),
    },
    "intervals": {name: [a, b] for name, a, b in zip(names, low, high)},
    "cuts": [at_cut(cut) for cut in (0.2, 0.5)],
    "top": [at_top(share) for share in (0.1, 0.25, 0.5)],
}))
