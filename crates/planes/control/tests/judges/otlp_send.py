"""Exports one log record for each case of the list on standard input, by the SDK of OpenTelemetry; one line of JSON tells what its exporter was told.

A case: {"protocol", "endpoint", "roots", "certificate", "key", "token", "service", "insecure"}; all but the first two may be left out.
"""

import json
import logging
import sys

import grpc
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as Grpc
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as Http
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource

# What an exporter says of its troubles is not what is asked here.
logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)


def bytes_of(path):
    with open(path, "rb") as file:
        return file.read()


def exporter(case):
    headers = {"authorization": f"Bearer {case['token']}"} if case.get("token") else {}
    patience = case.get("patience", 3)
    if case["protocol"] == "http":
        return Http(
            endpoint=f"{case['endpoint']}/v1/logs",
            certificate_file=case.get("roots"),
            client_certificate_file=case.get("certificate"),
            client_key_file=case.get("key"),
            headers=headers,
            timeout=patience,
            compression=Compression.NoCompression,
        )
    if case.get("insecure"):
        return Grpc(endpoint=case["endpoint"], insecure=True, headers=headers, timeout=patience)
    chain = [bytes_of(case[name]) if case.get(name) else None for name in ("roots", "key", "certificate")]
    return Grpc(endpoint=case["endpoint"], credentials=grpc.ssl_channel_credentials(*chain), headers=headers, timeout=patience)


def outcome(case):
    results = []
    try:
        it = exporter(case)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    export = it.export

    def noting(*args, **kwargs):
        results.append(export(*args, **kwargs).name)

    it.export = noting
    provider = LoggerProvider(resource=Resource.create({"service.name": case.get("service", "accounts")}))
    provider.add_log_record_processor(SimpleLogRecordProcessor(it))
    logger = logging.getLogger("judge")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    handler = LoggingHandler(logger_provider=provider)
    logger.addHandler(handler)
    logger.error("told by %s", case.get("says", case["protocol"]))
    logger.removeHandler(handler)
    provider.shutdown()
    return " ".join(results)


for case in json.load(sys.stdin):
    print(json.dumps(outcome(case)), flush=True)
