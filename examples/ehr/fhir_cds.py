"""Walks one patient through the service: `fhir_cds.py ADDRESS BUNDLE.json [--token T] [--override CODE]`.

Python's standard library alone. Scores the Bundle over FHIR, calls the discharge hook with the same
data as prefetch, prints the card and says what became of it.
"""

import argparse, json, re, sys, urllib.error, urllib.parse, urllib.request, uuid
from datetime import datetime, timedelta, timezone

SERVICE = "prodrome-encounter-discharge"
PROBABILITY = "urn:prodrome:fhir:probability"
TIME = re.compile(r'"(\d{4}-\d\d-\d\d)(T\d\d:\d\d:\d\d)?(Z)?"')


def shifted(text):
    """The sample moved in time, so that its open stay began two days ago and it never gets old."""
    stay = open_stay(json.loads(text))
    began = datetime.fromisoformat(stay["period"]["start"].replace("Z", "+00:00"))
    by = datetime.now(timezone.utc).replace(second=0, microsecond=0) - timedelta(days=2) - began

    def move(found):
        if found[2] is None:
            return f'"{(datetime.fromisoformat(found[1]) + timedelta(days=by.days)).date()}"'
        return f'"{datetime.fromisoformat(found[1] + found[2]) + by:%Y-%m-%dT%H:%M:%SZ}"'

    return json.loads(TIME.sub(move, text))


def resources(bundle, kind):
    return [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind]


def open_stay(bundle):
    return next(stay for stay in resources(bundle, "Encounter") if stay["status"] == "in-progress")


def prefetched(template, bundle):
    """What an EHR's FHIR server would answer to a prefetch template, taken from the Bundle."""
    kind, is_search, _ = template.partition("?")
    if not is_search:  # a read: Patient/{{context.patientId}}, Encounter/{{context.encounterId}}
        return resources(bundle, "Patient")[0] if kind.startswith("Patient/") else open_stay(bundle)
    entries = [{"resource": resource} for resource in resources(bundle, kind)]
    return {"resourceType": "Bundle", "type": "searchset", "entry": entries}


def main():
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("address", help="of the service, such as http://127.0.0.1:8090")
    words.add_argument("bundle", help="a FHIR R4 Bundle of one patient with one open stay")
    words.add_argument("--token", help="bearer token, where the service asks who calls")
    words.add_argument("--override", metavar="CODE", help="override the card for this reason, not accept it")
    given = words.parse_args()

    def call(path, body=None):
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if given.token:
            headers["Authorization"] = f"Bearer {given.token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(given.address.rstrip("/") + path, data, headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    with open(given.bundle, encoding="utf-8") as file:
        bundle = shifted(file.read())

    print("FHIR: RiskAssessment/$score")
    for risk in resources(call("/fhir/RiskAssessment/$score?noFlag=true", bundle), "RiskAssessment"):
        said = risk["prediction"][0]
        exact = [each["valueDecimal"] for each in said.get("extension", []) if each["url"] == PROBABILITY]
        tier = said.get("qualitativeRisk", {}).get("text", "no tier")
        print(f"- {risk['code']['text']}: {exact[0]:.3f}, {tier}" if exact else f"- {risk['note'][0]['text']}")
        for reason in said.get("rationale", "").splitlines():
            print(f"    {reason}")

    print("CDS Hooks: encounter-discharge")
    services = call("/cds-services")["services"]
    service = next(each for each in services if each["id"] == SERVICE)
    patient, stay = resources(bundle, "Patient")[0], open_stay(bundle)
    cards = call(f"/cds-services/{SERVICE}", {
        "hook": service["hook"],
        "hookInstance": str(uuid.uuid4()),
        "context": {"userId": "Practitioner/1", "patientId": patient["id"], "encounterId": stay["id"]},
        "prefetch": {key: prefetched(template, bundle) for key, template in service["prefetch"].items()},
    })["cards"]
    for card in cards:
        print(f"- [{card['indicator']}] {card['summary']}\n\n{card['detail']}")
        feedback = {"card": card["uuid"], "outcome": "accepted",
                    "outcomeTimestamp": datetime.now(timezone.utc).isoformat(timespec="seconds")}
        if given.override:
            reason = next(each for each in card["overrideReasons"] if each["code"] == given.override)
            feedback |= {"outcome": "overridden", "overrideReason": {"reason": reason}}
        call(f"/cds-services/{SERVICE}/feedback", {"feedback": [feedback]})
        print(f"feedback sent: {feedback['outcome']}")
    print("no card: nothing to say" if not cards else f"{len(cards)} card(s)")


if __name__ == "__main__":
    try:
        main()
    except urllib.error.HTTPError as error:
        issues = json.loads(error.read() or b"{}").get("issue", [])
        told = [f"{' '.join(i.get('expression', []))} {i.get('details', {}).get('text', '')}".strip() for i in issues]
        sys.exit(f"error: {error.code} {error.reason}: " + "; ".join(told))
    except OSError as error:
        sys.exit(f"error: {error}")
