"""One LightGBM forest (300 trees, depth 8, 60 inputs, some values missing) scored and explained by
its peers and by ours, one thread each, turn by turn; prints the ratios.

    cargo bench --bench flat_trees --no-run        (prints the program's path)
    python benches/peers/flat_trees.py FOLDER PROGRAM [ROUNDS]

FOLDER takes the made-up rows, the model and both sides' times. Needs numpy, lightgbm, onnxruntime,
onnxmltools and shap; versions are printed.
"""

import ctypes
import json
import os
import subprocess
import sys
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import lightgbm
import numpy

sys.path.append(os.path.join(os.path.dirname(__file__), "..", "..", "tests", "shap"))
import trees

TREES, DEPTH, INPUTS, ROWS = 300, 8, 60, 20000


def table():
    """Made-up rows like clinical ones: skewed, counted, yes or no; 4% of the values missing."""
    random = numpy.random.default_rng(7)
    x = random.normal(size=(ROWS, INPUTS)).astype(numpy.float32)
    x[:, 20:40] = numpy.floor(numpy.exp(x[:, 20:40]))
    x[:, 40:] = x[:, 40:] > 0.8
    risk = x[:, :8] @ random.normal(size=8) * 0.3 + 0.4 * x[:, 20] * x[:, 41] + 0.5 * x[:, 1] * x[:, 2]
    y = (random.random(ROWS) < 1 / (1 + numpy.exp(2.2 - risk))).astype(numpy.uint8)
    x[random.random(x.shape) < 0.04] = numpy.nan
    return x, y


def trained(x, y):
    settings = dict(
        objective="binary", num_leaves=128, max_depth=DEPTH, learning_rate=0.05,
        min_data_in_leaf=20, num_threads=1, verbosity=-1, seed=1,
    )
    return lightgbm.train(settings, lightgbm.Dataset(x, y), TREES)


def per_call(call, count, calls):
    """Microseconds of each of `calls` short windows of `count` calls, divided by `count`."""
    found = []
    for window in range(calls):
        began = time.perf_counter()
        for index in range(count):
            call((window * count + index) % 4000)
        found.append((time.perf_counter() - began) / count * 1e6)
    return found


def single_row_fast(model, x):
    """LightGBM's fastest call for one row, through its C interface."""
    library, context = lightgbm.basic._LIB, ctypes.c_void_p()
    raw_score, double = 1, 1
    fault = library.LGBM_BoosterPredictForMatSingleRowFastInit(
        model._handle, raw_score, 0, -1, double, INPUTS, b"num_threads=1", ctypes.byref(context)
    )
    assert fault == 0
    out, length = (ctypes.c_double * 1)(), ctypes.c_int64()
    rows = [ctypes.c_void_p(x[row:].ctypes.data) for row in range(4000)]
    call, ends = library.LGBM_BoosterPredictForMatSingleRowFast, (ctypes.byref(length), ctypes.byref(out))
    call(context, rows[5], *ends)
    assert abs(out[0] - model.predict(x[5:6], raw_score=True)[0]) < 1e-9
    return lambda row: call(context, rows[row], *ends)


def onnx_session(model):
    import onnxmltools
    import onnxruntime
    from onnxmltools.convert.common.data_types import FloatTensorType

    shape = [("x", FloatTensorType([None, INPUTS]))]
    converted = onnxmltools.convert_lightgbm(model, initial_types=shape, zipmap=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # It would warn of its own label output at every batch, which is not to count against it.
    options.log_severity_level = 3
    text = converted.SerializeToString()
    return onnxruntime.InferenceSession(text, options, providers=["CPUExecutionProvider"])


def peers(model, x, explainer):
    """What each peer does for the row `at`, by what it is for and its name; with the calls in a
    window, and the rows of a call."""
    doubles = numpy.ascontiguousarray(x, numpy.float64)
    session = onnx_session(model)
    return {
        ("one", "LightGBM C, single row fast"): (single_row_fast(model, doubles), 50, 1),
        ("one", "LightGBM Python"): (
            lambda at: model.predict(doubles[at : at + 1], raw_score=True, num_threads=1), 20, 1),
        ("one", "ONNX Runtime"): (lambda at: session.run(None, {"x": x[at : at + 1]}), 20, 1),
        ("batch", "ONNX Runtime"): (lambda at: session.run(None, {"x": x[at : at + 256]}), 1, 256),
        ("batch", "LightGBM Python"): (
            lambda at: model.predict(doubles[at : at + 256], raw_score=True, num_threads=1), 1, 256),
        ("shap", "shap TreeExplainer"): (lambda at: explainer.shap_values(x[at : at + 1]), 1, 1),
        ("shap", "shap TreeExplainer, 16 rows"): (
            lambda at: explainer.shap_values(x[at : at + 16]), 1, 16),
    }


def main():
    import onnxruntime
    import shap

    folder, program = sys.argv[1], sys.argv[2]
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    os.makedirs(folder, exist_ok=True)
    x, y = table()
    model = trained(x, y)
    written = {"combine": "sum", "base": 0, "inputs": INPUTS, "trees": trees.of_lightgbm(model)}
    with open(f"{folder}/trees.json", "w", encoding="utf-8") as file:
        json.dump(written, file)
    x.tofile(f"{folder}/rows.f32")
    model.predict(x, raw_score=True, num_threads=1).tofile(f"{folder}/margins.f64")
    # Shares compare each row with one reference row, as ours do.
    reference = numpy.nanmedian(x, axis=0, keepdims=True)
    reference.tofile(f"{folder}/reference.f32")
    explainer = shap.TreeExplainer(model, reference, feature_perturbation="interventional")
    explained = explainer.shap_values(x[:200])
    numpy.asarray(explained, numpy.float64).tofile(f"{folder}/shares.f64")
    versions = {module.__name__: module.__version__ for module in (lightgbm, onnxruntime, shap)}
    print(json.dumps(versions))

    times = {}
    calls = peers(model, x, explainer)
    for _ in range(rounds):
        for (kind, name), (call, count, rows) in calls.items():
            windows = per_call(call, count, 12 if kind == "shap" else 40)
            times.setdefault((kind, name), []).extend(value / rows for value in windows)
        answer = subprocess.run([program, "--bench", folder], check=True, capture_output=True, text=True)
        for kind, values in json.loads(answer.stdout.splitlines()[-1]).items():
            times.setdefault((kind, "ours"), []).extend(values)

    best = {key: (min(found), numpy.percentile(found, 25)) for key, found in times.items()}
    for kind, what in (("one", "one row"), ("batch", "a row of 256"), ("shap", "explanation")):
        least, quarter = best[kind, "ours"]
        print(f"{what}: ours {least:.2f} us at least, {quarter:.2f} us lower quartile")
        for (other, name), (theirs, theirs_quarter) in best.items():
            if other == kind and name != "ours":
                print(
                    f"  {name}: {theirs:.2f} and {theirs_quarter:.2f} us;"
                    f" {theirs / least:.1f} and {theirs_quarter / quarter:.1f} times ours"
                )


main()
