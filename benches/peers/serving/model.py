"""Trains the peers' model and writes MLServer's folder and its request: 300 LightGBM trees of depth 8
over 100 made-up columns, and one ready row of them. Run with the Python that MLServer runs with.

    model.py FOLDER
"""

import json
import struct
import sys
from pathlib import Path

import lightgbm
import numpy
from mlserver.codecs import NumpyCodec
from mlserver.grpc.converters import ModelInferRequestConverter
from mlserver.types import InferenceRequest
from sklearn.datasets import make_classification

folder = Path(sys.argv[1])
rows, labels = make_classification(20000, 100, n_informative=30, flip_y=0.1, random_state=7)
settings = dict(
    objective="binary", max_depth=8, num_leaves=255, learning_rate=0.05, verbose=-1, num_threads=1,
    min_data_in_leaf=20, seed=7,
)
model = lightgbm.train(settings, lightgbm.Dataset(rows, labels), 300)
for name in ("gbm", "gbm_2"):
    place = folder / "mlserver" / name
    place.mkdir(parents=True, exist_ok=True)
    model.save_model(str(place / "model.bst"))
    about = {
        "name": name,
        "implementation": "mlserver_lightgbm.LightGBMModel",
        "parameters": {"uri": "./model.bst", "version": "v1"},
    }
    (place / "model-settings.json").write_text(json.dumps(about))
quiet = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"all": {"class": "logging.StreamHandler"}},
    "loggers": {"mlserver": {"level": "WARNING", "handlers": ["all"]}},
}
(folder / "quiet.json").write_text(json.dumps(quiet))
given = InferenceRequest(inputs=[NumpyCodec.encode_input("x", rows[:1].astype(numpy.float64))])
message = ModelInferRequestConverter.from_types(given, model_name="gbm", model_version="v1")
message = message.SerializeToString()
(folder / "mlserver.grpc").write_bytes(b"\0" + struct.pack(">I", len(message)) + message)
leaves = [tree["num_leaves"] for tree in model.dump_model()["tree_info"]]
print(f"{len(leaves)} trees, {sum(leaves) / len(leaves):.0f} leaves each, {len(message)} bytes a request")
