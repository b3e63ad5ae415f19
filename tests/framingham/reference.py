"""Mean AUROC over held-out quarters of scikit-learn's logistic regression, and of the last systolic
pressure, on matrices dumped by `prodrome-train fit --dump-matrix`, one file a quarter."""

import sys

import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

OTHER = ["subject_id", "patient_id", "group", "prediction_time", "boolean_value", "weight", "split", "fold"]


def areas(path):
    table = pd.read_parquet(path)
    features = [name for name in table.columns if name not in OTHER]
    held_out = table["split"] == "held_out"
    model = make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), LogisticRegression(max_iter=1000))
    model.fit(table.loc[~held_out, features], table.loc[~held_out, "boolean_value"].astype(bool))
    outcome = table.loc[held_out, "boolean_value"].astype(bool)
    predicted = model.predict_proba(table.loc[held_out, features])[:, 1]
    return roc_auc_score(outcome, predicted), roc_auc_score(outcome, table.loc[held_out, "systolic_bp_last"])


found = [areas(path) for path in sys.argv[1:]]
for name, values in zip(["logistic regression", "last systolic pressure"], zip(*found)):
    print(f"{name}: {sum(values) / len(values):.4f}", [round(value, 4) for value in values])
