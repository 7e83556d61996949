"""Exports what the OpenTelemetry SDK makes: one span, one log record and one point of a metric, over OTLP.

usage: otel_export.py http|grpc ENDPOINT SERVICE TRACEPARENT [gzip] [TOKEN]
Fails where the exporter was not told that everything was taken.
"""

import logging
import sys

from opentelemetry.propagate import extract
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExportResult, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.trace import Status, StatusCode

protocol, endpoint, service, traceparent = sys.argv[1:5]
packed = "gzip" in sys.argv[5:]
token = next((word for word in sys.argv[5:] if word != "gzip"), None)
headers = {"authorization": f"Bearer {token}"} if token else {}

if protocol == "http":
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    def of(kind, path):
        compression = Compression.Gzip if packed else Compression.NoCompression
        return kind(endpoint=f"{endpoint}/v1/{path}", headers=headers, compression=compression, timeout=10)
else:
    import grpc
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    def of(kind, _):
        compression = grpc.Compression.Gzip if packed else None
        return kind(endpoint=endpoint, insecure=True, headers=headers, compression=compression, timeout=10)


results = []


def watched(exporter):
    """The exporter, noting what it was told."""
    export = exporter.export

    def noting(*args, **kwargs):
        result = export(*args, **kwargs)
        results.append(result.name)
        return result

    exporter.export = noting
    return exporter


resource = Resource.create({"service.name": service, "service.version": "1.2.3"})
spans = TracerProvider(resource=resource)
spans.add_span_processor(SimpleSpanProcessor(watched(of(OTLPSpanExporter, "traces"))))
logs = LoggerProvider(resource=resource)
logs.add_log_record_processor(SimpleLogRecordProcessor(watched(of(OTLPLogExporter, "logs"))))
points = MeterProvider([PeriodicExportingMetricReader(watched(of(OTLPMetricExporter, "metrics")), 60_000)], resource=resource)

logger = logging.getLogger("judge")
logger.propagate = False
logger.setLevel(logging.INFO)
logger.addHandler(LoggingHandler(logger_provider=logs))
points.get_meter("judge").create_counter("judge.calls", unit="1").add(7, {"via": protocol})
tracer = spans.get_tracer("judge")
with tracer.start_as_current_span(f"work by {protocol}", context=extract({"traceparent": traceparent})) as span:
    span.set_attribute("enduser.id", "ana")
    span.set_attribute("db.password", "PlantedJudge7f3a9c51e2")
    logger.error("it failed by %s, card 4111 1111 1111 1111", protocol)
    try:
        raise RuntimeError("password=PlantedJudge7f3a9c51e2")
    except RuntimeError as error:
        span.record_exception(error)
        span.set_status(Status(StatusCode.ERROR, "broken"))
for provider in (spans, logs, points):
    # Which flushes: a reader of metrics would export its points a second time otherwise.
    provider.shutdown()
print(" ".join(results))
sys.exit(0 if len(results) >= 3 and set(results) == {"SUCCESS"} else 1)
