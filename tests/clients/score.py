"""A caller that is not ours: grpcio, with nothing but what the server says of itself.

`score.py REQUEST.json HOST:PORT TASK`; needs `pip install grpcio grpcio-reflection
grpcio-health-checking grpcio-status`. Prints one line for each thing that held; any other ends it.
"""

import json
import sys

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from grpc_status import rpc_status


def check(holds, what):
    if not holds:
        sys.exit(f"FAILED: {what}")
    print(f"ok: {what}")


def methods(channel):
    """The methods of RiskScoring by name, from the reflected descriptors alone."""
    pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
    service = pool.FindServiceByName("prodrome.v1.RiskScoring")
    calls = {}
    for method in service.methods:
        request = message_factory.GetMessageClass(method.input_type)
        response = message_factory.GetMessageClass(method.output_type)
        streams = method.client_streaming and method.server_streaming
        make = channel.stream_stream if streams else channel.unary_unary
        call = make(
            f"/{service.full_name}/{method.name}",
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString,
        )
        calls[method.name] = (call, request)
    return calls


def fault(call, request):
    """The code of a refused call, and the fields that are wrong."""
    try:
        call(request, timeout=10)
    except grpc.RpcError as error:
        fields = []
        for detail in rpc_status.from_call(error).details:
            bad = error_details_pb2.BadRequest()
            if detail.Unpack(bad):
                fields += [violation.field for violation in bad.field_violations]
        return error.code(), fields
    return None, []


def main(path, address, task):
    with open(path, encoding="utf-8") as file:
        sample = json.load(file)
    with grpc.insecure_channel(address) as channel:
        calls = methods(channel)
        score, request_class = calls["Score"]
        request = json_format.ParseDict(sample, request_class())
        response = score(request, timeout=10)
        answer = next(a for a in response.assessments if a.task == task)
        check(0.0 < answer.score.probability < 1.0, "Score answers with a probability")
        check(len(answer.score.reasons) > 0, "Score answers with reasons")

        stream, item_class = calls["ScoreStream"]
        items = [item_class(request=request) for _ in range(3)]
        answers = list(stream(iter(items), timeout=10))
        same = [a.response.assessments[0].score.probability for a in answers]
        check(same == [answer.score.probability] * 3, "ScoreStream answers each, and the same")

        health = health_pb2_grpc.HealthStub(channel)
        for service in ["", "prodrome.v1.RiskScoring", f"prodrome.task.{task}"]:
            asked = health_pb2.HealthCheckRequest(service=service)
            status = health.Check(asked, timeout=10).status
            check(status == health_pb2.HealthCheckResponse.SERVING, f"health of {service!r}")

        request.history.encounters[1].ClearField("start")
        code, fields = fault(score, request)
        check(code == grpc.StatusCode.INVALID_ARGUMENT, "a stay without a start is refused")
        check("history.encounters[1].start" in fields, f"the field is named: {fields}")


if __name__ == "__main__":
    main(*sys.argv[1:])
