"""Compiles a checkout of ocsf-schema into one file of what a record is held against.

`python3 corpus/ocsf/compile.py CHECKOUT >corpus/ocsf/schema.json`. Resolved are `extends`, `$include` and the dictionary; left out are
descriptions, extensions, classes that we do not write, and objects that ours do not lead to.
"""

import json
import pathlib
import sys

# The classes that we write, by name.
CLASSES = [
    "base_event",
    "process_activity",
    "detection_finding",
    "account_change",
    "authentication",
    "entity_management",
    "network_activity",
    "http_activity",
    "api_activity",
    "application_error",
]
# Objects that records of ours hold nothing of, though attributes lead to them; a record that does is told apart by that.
DEPTH = 4

root = pathlib.Path(sys.argv[1])


def load(path):
    return json.loads((root / path).read_text())


def merge(base, over):
    """`over` wins, map by map."""
    out = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = merge(out[key], value) if both else value
    return out


def named(folder):
    all = {}
    for path in sorted((root / folder).rglob("*.json")):
        it = json.loads(path.read_text())
        if "attributes" in it or "extends" in it:
            all[it.get("name") or it.get("extends")] = it
    return all


def included(attributes):
    """What `$include` names, each attribute with its profile, under what stands there itself."""
    attributes = dict(attributes)
    files = attributes.pop("$include", [])
    out = {}
    for file in [files] if isinstance(files, str) else files:
        it = load(file)
        profile = it["name"] if it.get("meta") == "profile" else None
        for name, attribute in it["attributes"].items():
            out[name] = {**attribute, **({"profile": profile} if profile else {})}
    return merge(out, attributes)


def whole(all, name):
    it = dict(all[name])
    it["attributes"] = included(it.get("attributes", {}))
    if "extends" in it and it["extends"] != name:
        parent = whole(all, it["extends"])
        it = merge({**parent, "name": None}, it)
    return it


dictionary = load("dictionary.json")
types = dictionary["types"]["attributes"]
categories = load("categories.json")["attributes"]
events, objects = named("events"), named("objects")


def attributes(it):
    out = {}
    for name, own in it["attributes"].items():
        if own is None:
            continue
        whole = merge(dictionary["attributes"].get(name, {}), own)
        kind = whole["type"]
        short = {"type": kind} if kind in types else {"object": whole.get("object_type", kind)}
        if whole.get("is_array"):
            short["array"] = True
        if whole.get("requirement") == "required":
            short["required"] = True
        if whole.get("profile"):
            short["profile"] = whole["profile"]
        if "enum" in whole:
            short["enum"] = {value: one.get("caption", value) for value, one in whole["enum"].items()}
            if whole.get("sibling"):
                short["sibling"] = whole["sibling"]
        out[name] = short
    return out


def compiled(it, more):
    out = {**more, "attributes": attributes(it)}
    if it.get("constraints"):
        out["constraints"] = it["constraints"]
    return out


classes, wanted = {}, set()
for name in CLASSES:
    it = whole(events, name)
    category = categories.get(it.get("category"), {}).get("uid", 0)
    uid = 0 if name == "base_event" else category * 1000 + it["uid"]
    classes[str(uid)] = compiled(it, {"name": it["caption"], "category": category})
    # The schema's server fills these in.
    for key, known in (("class_uid", uid), ("category_uid", category)):
        classes[str(uid)]["attributes"][key] |= {"enum": {str(known): it["caption"]}, "sibling": None}
        classes[str(uid)]["attributes"][key].pop("sibling")
    wanted |= {one["object"] for one in classes[str(uid)]["attributes"].values() if "object" in one}
held = {}
for _ in range(DEPTH):
    for name in sorted(wanted - held.keys()):
        held[name] = compiled(whole(objects, name), {})
    wanted = {one["object"] for it in held.values() for one in it["attributes"].values() if "object" in one}
plain = {
    name: {key: it[key] for key in ("type", "regex", "range", "max_len", "values") if key in it}
    for name, it in types.items()
}
out = {"version": load("version.json")["version"], "types": plain, "classes": classes, "objects": held}
json.dump(out, sys.stdout, separators=(",", ":"), sort_keys=True)
print()
