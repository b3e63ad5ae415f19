"""Scores the patient of a JSON file: `score.py FILE.json [HOST:PORT]`.

Needs `pip install grpcio grpcio-reflection` and no generated code: the server describes itself.
"""

import json
import sys

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)


def main(path, address="127.0.0.1:50051"):
    with grpc.insecure_channel(address) as channel:
        pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
        method = pool.FindServiceByName("prodrome.v1.RiskScoring").methods_by_name["Score"]
        request_class = message_factory.GetMessageClass(method.input_type)
        response_class = message_factory.GetMessageClass(method.output_type)
        score = channel.unary_unary(
            f"/{method.containing_service.full_name}/{method.name}",
            request_serializer=request_class.SerializeToString,
            response_deserializer=response_class.FromString,
        )
        with open(path, encoding="utf-8") as file:
            request = json_format.ParseDict(json.load(file), request_class())
        response = score(request, timeout=10)
        print(json_format.MessageToJson(response, preserving_proto_field_name=True))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except grpc.RpcError as error:
        sys.exit(f"error: {error.code().name}: {error.details()}")
