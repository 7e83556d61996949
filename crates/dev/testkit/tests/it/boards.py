"""Reads boards with Grafana's own models (grafana-foundation-sdk, generated from Grafana's schemas) and writes them again: what they do
not know is not there any more, or is something else. Prints a line for each such thing, and then how many panels and queries it knew."""
import json
import sys

from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard, prometheus

# Of the Prometheus data source, and not of boards: its annotations read them beside `expr`.
OF_PROMETHEUS = {"step", "titleFormat", "textFormat"}


def lost(before, after, place):
    if isinstance(before, dict):
        if not isinstance(after, dict):
            yield f"{place}: became {after!r}"
            return
        for key, value in before.items():
            if key in after:
                yield from lost(value, after[key], f"{place}/{key}")
            elif not (place.startswith("/annotations/list/") and key in OF_PROMETHEUS):
                yield f"{place}/{key}: is not known"
    elif isinstance(before, list):
        if not isinstance(after, list) or len(before) != len(after):
            yield f"{place}: became {after!r}"
            return
        for n, (one, other) in enumerate(zip(before, after)):
            yield from lost(one, other, f"{place}/{n}")
    elif before != after:
        yield f"{place}: {before!r} became {after!r}"


plugins.register_default_plugins()
with open(sys.argv[1], encoding="utf-8") as file:
    text = json.load(file)
board = dashboard.Dashboard.from_json(text)
again = json.loads(json.dumps(board, cls=JSONEncoder))
for line in lost(text, again, ""):
    print("LOST", line)
for panel in board.panels:
    # A type that Grafana does not ship has no model: its options stay a dictionary.
    if panel.type_val != "row" and isinstance(panel.options, dict):
        print("LOST", f"panel {panel.title!r}: nothing is known of the type {panel.type_val!r}")
queries = [target for panel in board.panels for target in panel.targets or []]
for query in queries:
    if not isinstance(query, prometheus.Dataquery):
        print("LOST", f"a query that is none of Prometheus: {query!r}")
print(f"{len(board.panels)} panels, {len(queries)} queries")
