"""Makes hist_gradient_boosting.json: what scikit-learn says of a table that the test makes itself.

usage: reference.py > hist_gradient_boosting.json      needs: numpy scikit-learn
The table comes from a linear congruential generator, so no data are stored: only predictions.
"""
import json
import sys

import numpy as np
import sklearn
from sklearn.ensemble import HistGradientBoostingClassifier

ROWS, COLUMNS, SEED = 2000, 5, 5


def draws(state):
    while True:
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        yield (state >> 11) / 2**53


def table():
    draw, x, y = draws(SEED), [], []
    for _ in range(ROWS):
        row = [np.floor(next(draw) * levels) for levels in (12, 2, 40, 30, 3)]
        lost = next(draw) < 0.25
        risk = 0.1 + 0.03 * row[0] + 0.15 * row[1] * (row[2] > 20) + (0.2 if lost else 0.0)
        y.append(next(draw) < risk)
        x.append([np.nan if lost and place == 3 else value for place, value in enumerate(row)])
    return np.array(x), np.array(y)


x, y = table()
model = HistGradientBoostingClassifier(
    max_iter=30, max_leaf_nodes=8, learning_rate=0.1, min_samples_leaf=20, early_stopping=False)
half = ROWS // 2
model.fit(x[:half], y[:half])
margins = [round(float(margin), 6) for margin in model.decision_function(x)]
json.dump({"made_with": f"scikit-learn {sklearn.__version__}", "margins": margins}, sys.stdout)
