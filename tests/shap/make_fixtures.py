"""Writes tests/data/shap/*.json: small models with what the `shap` package says of their rows.

    pip install shap==0.51.0 lightgbm==4.7.0 scikit-learn==1.9.1
    python tests/shap/make_fixtures.py
"""

import json
import pathlib

import lightgbm
import numpy
import shap
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestRegressor

import trees

OUT = pathlib.Path(__file__).parent.parent / "data" / "shap"
ROWS = 12


def table(seed, inputs, missing):
    random = numpy.random.default_rng(seed)
    x = numpy.round(random.normal(size=(3000, inputs)) * 4).astype(numpy.float32) / 4
    risk = x[:, 0] + 0.7 * x[:, 1] * x[:, 2] - 1.5
    y = (random.random(len(x)) < 1 / (1 + numpy.exp(-risk))).astype(int)
    x[random.random(x.shape) < missing] = numpy.nan
    return x, y


def listed(row):
    return [None if numpy.isnan(value) else float(value) for value in row]


def write(name, combine, base, grown, reference, x, margins, contributions):
    fixture = {
        "combine": combine, "base": float(base), "inputs": x.shape[1], "trees": grown,
        "reference": listed(reference), "rows": [listed(row) for row in x],
        "margins": [float(value) for value in margins],
        "contributions": numpy.asarray(contributions).tolist(),
    }
    text = json.dumps(fixture, separators=(",", ":"))
    (OUT / f"{name}.json").write_text(text + "\n")


def shares(model, reference, x, margins):
    """Shapley values against one background row, for class 1 where there are classes."""
    explainer = shap.TreeExplainer(model, reference[None], feature_perturbation="interventional")
    values = explainer.shap_values(x, check_additivity=False)
    values = values[1] if isinstance(values, list) else values
    # All rows start at the reference, so what they do not explain is the same for all.
    assert numpy.ptp(margins - values.sum(axis=1)) < 1e-6, "the shares do not sum to the margin"
    return values


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    x, y = table(1, 7, 0.1)
    settings = {"objective": "binary", "num_leaves": 16, "verbosity": -1, "seed": 1, "num_threads": 1}
    model = lightgbm.train(settings, lightgbm.Dataset(x, y), 8)
    reference, few = x[ROWS], x[:ROWS]
    margins = model.predict(few, raw_score=True)
    values = shares(model, reference, few, margins)
    write("lightgbm", "sum", 0, trees.of_lightgbm(model), reference, few, margins, values)

    x, y = table(2, 5, 0.2)
    model = HistGradientBoostingClassifier(
        max_iter=5, max_leaf_nodes=31, early_stopping=False, random_state=1
    ).fit(x, y)
    reference, few = x[ROWS], x[:ROWS]
    base = numpy.ravel(model._baseline_prediction)[0]
    grown = trees.of_hist_gradient_boosting(model)
    margins = model.decision_function(few)
    values = shares(model, reference, few, margins)
    write("hist_gradient_boosting", "sum", base, grown, reference, few, margins, values)

    x, y = table(3, 20, 0)
    model = RandomForestRegressor(
        n_estimators=3, max_depth=14, min_samples_leaf=8, max_features=0.5, random_state=1, n_jobs=1
    ).fit(x, y)
    reference, few = x[ROWS], x[:ROWS]
    margins = model.predict(few)
    values = shares(model, reference, few, margins)
    grown = trees.of_random_forest(model)
    write("random_forest", "mean", 0, grown, reference, few, margins, values)


main()
