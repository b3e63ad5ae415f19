"""Whether every FHIR R4 resource in files is one that others can read, and reads back the same.

    fhir_valid.py FILE.ndjson ...

Each line is one resource, of the type that it names. It is read with fhir.resources (its R4B models: the
one set of R4 that it has), written back and compared, numbers bit for bit; then comes what those models do
not look at: ids, references, the codes that a binding requires, invariants, and that no text is markup.
Prints `ok: FILE: n TYPE` for each type in each file, and ends with 1 at the first line that does not hold.
"""

import collections
import datetime
import importlib
import json
import re
import struct
import sys
from decimal import Decimal

ID = re.compile(r"[A-Za-z0-9\-.]{1,64}\Z")
TYPE = re.compile(r"[A-Z][A-Za-z]+\Z")
UUID = re.compile(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)\Z")
OURS = "urn:prodrome:fhir:"
MARKUP = re.compile(r"<\s*[A-Za-z/!]")

ISSUE_TYPES = {
    "invalid", "structure", "required", "value", "invariant", "security", "login", "unknown", "expired",
    "forbidden", "suppressed", "processing", "not-supported", "duplicate", "multiple-matches", "not-found",
    "deleted", "too-long", "code-invalid", "extension", "too-costly", "business-rule", "conflict",
    "transient", "lock-error", "no-store", "exception", "timeout", "incomplete", "throttled",
    "informational",
}  # fmt: skip
RISKS = {"negligible", "low", "moderate", "high", "certain"}
PURPOSES = {"TREAT", "ETREAT", "BTG", "HOPERAT", "HRESCH"}
INTERACTIONS = {"read", "update", "create", "search-type", "operation"}


class Wrong(Exception):
    pass


def must(holds, what):
    if not holds:
        raise Wrong(what)


def bits(number):
    return struct.pack(">d", float(number))


def instant(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def same(ours, theirs, path):
    """That two values are one: objects by key, numbers by their bits, instants as instants."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        must(ours.keys() == theirs.keys(), f"{path}: other elements: {sorted(ours.keys() ^ theirs.keys())}")
        for key in ours:
            same(ours[key], theirs[key], f"{path}.{key}")
    elif isinstance(ours, list) and isinstance(theirs, list):
        must(len(ours) == len(theirs), f"{path}: another length")
        for place, (one, other) in enumerate(zip(ours, theirs)):
            same(one, other, f"{path}[{place}]")
    elif isinstance(ours, (int, Decimal)) and not isinstance(ours, bool):
        is_number = isinstance(theirs, (int, Decimal)) and not isinstance(theirs, bool)
        must(is_number and bits(ours) == bits(theirs), f"{path}: another number")
    elif isinstance(ours, str) and INSTANT.match(ours):
        must(isinstance(theirs, str) and instant(ours) == instant(theirs), f"{path}: another time")
    else:
        must(type(ours) is type(theirs) and ours == theirs, f"{path}: another value")


def walk(value, path):
    """Every element with its name and path."""
    if isinstance(value, dict):
        must(value, f"{path}: an empty object")
        for key, inner in value.items():
            yield key, inner, f"{path}.{key}"
            yield from walk(inner, f"{path}.{key}")
    elif isinstance(value, list):
        must(value, f"{path}: an empty list")
        for place, inner in enumerate(value):
            yield "", inner, f"{path}[{place}]"
            yield from walk(inner, f"{path}[{place}]")


def elements(resource):
    for name, value, path in walk(resource, resource["resourceType"]):
        if isinstance(value, str):
            must(value.strip(), f"{path}: an empty text")
            must(not MARKUP.search(value), f"{path}: markup")
            must(not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", value), f"{path}: a control character")
        if name == "id":
            must(ID.match(value), f"{path}: no id")
        if name == "div":
            raise Wrong(f"{path}: a narrative, of which we write none")
        if name == "reference":
            kind, _, at = value.partition("/")
            is_local = TYPE.match(kind) and ID.match(at)
            must(is_local or UUID.match(value) or value.startswith("https://"), f"{path}: no reference")
        if name == "url" and ".extension" in path and ".extension[0].extension" not in path:
            must(value.startswith(OURS) or value in ("low", "high"), f"{path}: an extension of nobody")
        if name in ("system", "url") and isinstance(value, str) and path.count("extension") < 2:
            must(":" in value, f"{path}: not absolute")
        if isinstance(value, dict) and "code" in value and "system" in value:
            must(re.match(r"\S+( \S+)*\Z", value["code"]), f"{path}.code: no code")
        if isinstance(value, dict) and "start" in value and "end" in value:
            must(instant(value["start"]) <= instant(value["end"]), f"{path}: per-1: ends before it starts")


def codes(concept):
    return [coding["code"] for coding in concept.get("coding", [])]


def names(reference, path):
    must("reference" in reference or "identifier" in reference or "display" in reference, f"{path}: ref-1")


def risk_assessment(made):
    must(made["status"] in ("final", "preliminary"), "status")
    must("version" in made["method"]["coding"][0], "method: without the version of the model")
    must("occurrenceDateTime" in made and INSTANT.match(made["occurrenceDateTime"]), "occurrenceDateTime")
    basis = [json.dumps(each, sort_keys=True, default=str) for each in made.get("basis", [])]
    must(len(basis) == len(set(basis)) and len(basis) <= 50, "basis: one thing twice, or too much")
    [prediction] = made["prediction"]
    must(prediction["whenPeriod"]["start"] == made["occurrenceDateTime"], "whenPeriod: not from the index time")
    ours = {each["url"]: each for each in prediction.get("extension", [])}
    exact = ours.get(OURS + "probability")
    must(("probabilityDecimal" in prediction) == (exact is not None), "a probability in one place alone")
    if exact is None:
        must("qualitativeRisk" not in prediction and "relativeRisk" not in prediction, "a risk without a number")
        must("no probability" in made["note"][0]["text"], "note: without why there is no number")
        return
    percent, exact = prediction["probabilityDecimal"], exact["valueDecimal"]
    must(0 <= percent <= 100, "ras-2: a percentage over 100")
    must(0 <= exact <= 1, "the exact probability is from 0 to 1")
    must(bits(100.0 * float(exact)) == bits(percent), "probabilityDecimal: not 100 times the probability")
    if interval := ours.get(OURS + "probability-interval"):
        low, high = [each["valueDecimal"] for each in interval["extension"]]
        must([each["url"] for each in interval["extension"]] == ["low", "high"], "interval: its ends")
        must(0 <= low <= high <= 1, "interval: out of order")
    for coding in prediction.get("qualitativeRisk", {}).get("coding", []):
        must(coding["system"].endswith("/risk-probability") and coding["code"] in RISKS, "qualitativeRisk")
    must("%" in made["note"][0]["text"], "note: without the percentage in words")


def flag(made):
    must(made["status"] in ("active", "inactive"), "status")
    must(codes(made["category"][0]) == ["clinical"], "category")
    must(("end" in made["period"]) <= (made["status"] == "inactive"), "period: an active flag with an end")
    must(made["identifier"][0]["value"] == made["id"], "identifier")


def audit_event(made):
    must(made["action"] in "CRUDE" and len(made["action"]) == 1, "action")
    must(made["outcome"] in ("0", "4", "8", "12"), "outcome")
    must(INSTANT.match(made["recorded"]), "recorded: no instant")
    must(made["type"]["code"] == "rest" and made["subtype"][0]["code"] in INTERACTIONS, "type")
    must([agent["requestor"] for agent in made["agent"]][:2] == [True, False], "agent: one asks, one answers")
    must(not any(agent["requestor"] for agent in made["agent"][2:]), "agent: one asks")
    roles = {code for agent in made["agent"] for code in codes(agent["type"])}
    must(roles - {"IRCP"} == {"110152", "110153"}, "agent: a source and a destination")
    for purpose in made.get("purposeOfEvent", []):
        must(set(codes(purpose)) <= PURPOSES and codes(purpose), "purposeOfEvent")
    kinds = [entity["type"]["code"] for entity in made["entity"]]
    must(kinds.count("XrequestId") == 1, "entity: the call itself, once")
    for entity in made["entity"]:
        must("reference" not in entity["what"], "entity: a patient by a reference")
        if entity["type"]["code"] == "1":
            must(entity["role"]["code"] == "1", "entity: a person who is no patient")
            must(re.match(r"[0-9a-f]{64}\Z", entity["what"]["identifier"]["value"]), "entity: no keyed hash")


def operation_outcome(made):
    must(made["issue"], "issue: none")
    for issue in made["issue"]:
        must(issue["severity"] in ("fatal", "error", "warning", "information"), "severity")
        must(issue["code"] in ISSUE_TYPES, "code")
        must(issue["details"]["text"], "details")


def bundle(made):
    must(made["type"] in ("collection", "searchset"), "type")
    is_search = made["type"] == "searchset"
    must(("total" in made) == is_search, "bdl-1: a total of what is no search")
    urls = []
    for entry in made.get("entry", []):
        must(("search" in entry) == is_search, "bdl-2: a mode of what is no search")
        if "fullUrl" in entry:
            must(UUID.match(entry["fullUrl"]), "fullUrl")
            urls.append(entry["fullUrl"])
        one(entry["resource"])
    must(len(urls) == len(set(urls)), "bdl-7: one fullUrl twice")
    relations = [link["relation"] for link in made.get("link", [])]
    must(relations in ([], ["self"], ["self", "next"]), "link")


def address(text, what):
    must(text.startswith("http://") or text.startswith("https://"), what)


def capability_statement(made):
    must(made["kind"] == "instance" and made["fhirVersion"] == "4.0.1", "an R4 server")
    types = [each["type"] for each in made["rest"][0]["resource"]]
    must(sorted(types) == ["Flag", "RiskAssessment"], "resources")
    for each in made["rest"][0]["resource"]:
        for operation in each.get("operation", []):
            address(operation["definition"], "operation")


def operation_definition(made):
    address(made["url"], "url")
    must(re.match(r"[A-Z][A-Za-z0-9_]{0,254}\Z", made["name"]), "opd-0: name")
    directions = [each["use"] for each in made["parameter"]]
    must(directions.count("out") == 1 and made["parameter"][-1]["name"] == "return", "one return")


RULES = {
    "CapabilityStatement": capability_statement,
    "OperationDefinition": operation_definition,
    "RiskAssessment": risk_assessment,
    "Flag": flag,
    "AuditEvent": audit_event,
    "OperationOutcome": operation_outcome,
    "Bundle": bundle,
}


def one(resource):
    kind = resource["resourceType"]
    must(kind in RULES, f"{kind}: not one of ours")
    elements(resource)
    for name in ("subject", "encounter", "performer", "author"):
        if name in resource:
            names(resource[name], name)
    RULES[kind](resource)


def plain(text):
    def once(pairs):
        made = dict(pairs)
        must(len(made) == len(pairs), "an element twice in one object")
        return made

    return json.loads(text, parse_float=Decimal, object_pairs_hook=once)


def line(text):
    ours = plain(text)
    kind = ours["resourceType"]
    must(kind in RULES, f"{kind}: not one of ours")
    model = getattr(importlib.import_module(f"fhir.resources.R4B.{kind.lower()}"), kind)
    same(ours, plain(model.model_validate_json(text).model_dump_json()), kind)
    one(ours)
    return kind


def main(paths):
    for path in paths:
        found = collections.Counter()
        with open(path, encoding="utf-8") as file:
            for number, text in enumerate(file, 1):
                try:
                    found[line(text)] += 1
                except Exception as error:  # also what the models say, which names the element
                    print(f"{path}, line {number}: {type(error).__name__}: {error}", file=sys.stderr)
                    return 1
        for kind, count in sorted(found.items()):
            print(f"ok: {path}: {count} {kind}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
