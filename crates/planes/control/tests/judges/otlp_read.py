"""Parses messages of OTLP logs with the types that the OpenTelemetry project generates, and prints their records: one line of JSON each.

usage: otlp_read.py FILE...
Fails where a message has fields that those types do not know, or ids of the wrong length.
"""

import json
import sys

from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest


def known(message):
    assert not list(UnknownFieldSet(message)), f"unknown fields in {message}"
    for field, value in message.ListFields():
        if field.message_type is not None:
            for item in value if field.is_repeated else [value]:
                known(item)


def plain(value):
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return attributes(value.kvlist_value.values)
    return None if kind is None else getattr(value, kind)


def attributes(pairs):
    keys = [pair.key for pair in pairs]
    assert len(keys) == len(set(keys)), f"a key twice: {keys}"
    return {pair.key: plain(pair.value) for pair in pairs}


for path in sys.argv[1:]:
    with open(path, "rb") as file:
        message = ExportLogsServiceRequest.FromString(file.read())
    known(message)
    for of_resource in message.resource_logs:
        for of_scope in of_resource.scope_logs:
            for record in of_scope.log_records:
                assert len(record.trace_id) in (0, 16) and len(record.span_id) in (0, 8), record
                print(json.dumps({
                    "resource": attributes(of_resource.resource.attributes),
                    "scope": [of_scope.scope.name, of_scope.scope.version],
                    "time": record.time_unix_nano,
                    "observed": record.observed_time_unix_nano,
                    "severity": [record.severity_number, record.severity_text],
                    "body": plain(record.body),
                    "attributes": attributes(record.attributes),
                    "trace": record.trace_id.hex(),
                    "span": record.span_id.hex(),
                    "event": record.event_name,
                }))
