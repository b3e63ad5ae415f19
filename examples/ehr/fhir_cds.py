"""Walks one patient through the service: `fhir_cds.py ADDRESS BUNDLE.json [--token T] [--override CODE]`.

Needs Python's standard library alone. Scores the Bundle over FHIR, calls the discharge hook with the same
data as prefetch, prints the cards and sends what became of them.
"""

import argparse, json, re, sys, urllib.error, urllib.request, uuid
from datetime import datetime, timedelta, timezone

HOOK = "/cds-services/prodrome-encounter-discharge"
NOW = datetime.now(timezone.utc).replace(microsecond=0)


def resources(bundle, kind):
    found = (entry.get("resource", {}) for entry in bundle["entry"])
    return [resource for resource in found if resource.get("resourceType") == kind]


def open_stay(bundle):
    stays = [stay for stay in resources(bundle, "Encounter") if stay.get("status") == "in-progress"]
    return stays[0] if stays else sys.exit("error: no Encounter of the Bundle is in-progress: there is nobody to discharge")


def load(path):
    """A Bundle. One whose open stay is old is a sample: it is moved in time, so that the stay began two days ago."""
    text = open(path, encoding="utf-8").read()
    began = datetime.fromisoformat(open_stay(json.loads(text))["period"]["start"].replace("Z", "+00:00"))
    by = NOW - timedelta(days=2) - began
    if by < timedelta(days=28):
        return json.loads(text)

    def move(found):
        day, time = found.groups()
        moved = datetime.fromisoformat(day + (time or "")) + (by if time else timedelta(by.days))
        return f'"{moved:%Y-%m-%dT%H:%M:%SZ}"' if time else f'"{moved:%Y-%m-%d}"'

    return json.loads(re.sub(r'"(\d{4}-\d\d-\d\d)(?:(T\d\d:\d\d:\d\d)Z)?"', move, text))


def prefetched(template, bundle):
    """What an EHR's FHIR server would answer to a prefetch template, taken from the Bundle."""
    kind, is_search, _ = template.partition("?")
    if not is_search:  # a read: Patient/{{context.patientId}} or Encounter/{{context.encounterId}}
        return resources(bundle, "Patient")[0] if kind.startswith("Patient/") else open_stay(bundle)
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": each} for each in resources(bundle, kind)]}


def main(given):
    def call(path, body=None):
        headers = {"Content-Type": "application/json", "Prodrome-Purpose": "TREATMENT"}
        if given.token:
            headers["Authorization"] = f"Bearer {given.token}"
        request = urllib.request.Request(given.address.rstrip("/") + path, body and json.dumps(body).encode(), headers)
        return json.load(urllib.request.urlopen(request, timeout=30))

    bundle = load(given.bundle)
    for risk in resources(call("/fhir/RiskAssessment/$score?noFlag=true", bundle), "RiskAssessment"):
        said = risk["prediction"][0]
        found = [each["valueDecimal"] for each in said.get("extension", []) if each["url"] == "urn:prodrome:fhir:probability"]
        print(f"{risk['code']['text']}: {found[0]:.3f}, {said['qualitativeRisk']['text']}" if found else risk["note"][0]["text"])
        print("".join(f"  - {reason}\n" for reason in said.get("rationale", "").splitlines()))

    service = next(each for each in call("/cds-services")["services"] if HOOK.endswith("/" + each["id"]))
    context = {"userId": "Practitioner/1", "patientId": resources(bundle, "Patient")[0]["id"], "encounterId": open_stay(bundle)["id"]}
    prefetch = {key: prefetched(template, bundle) for key, template in service["prefetch"].items()}
    cards = call(HOOK, {"hook": service["hook"], "hookInstance": str(uuid.uuid4()), "context": context, "prefetch": prefetch})["cards"]
    for card in cards:
        print(f"[{card['indicator']}] {card['summary']}\n\n{card['detail']}")
        feedback = {"card": card["uuid"], "outcome": "accepted", "outcomeTimestamp": NOW.isoformat()}
        if given.override:
            reason = next(each for each in card["overrideReasons"] if each["code"] == given.override)
            feedback |= {"outcome": "overridden", "overrideReason": {"reason": reason}}
        call(f"{HOOK}/feedback", {"feedback": [feedback]})
        print(f"feedback: {feedback['outcome']}\n")
    print(f"{len(cards)} card(s)" if cards else "no card: there is nothing to say")


if __name__ == "__main__":
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("address", help="of the service, such as http://127.0.0.1:8090")
    words.add_argument("bundle", help="a FHIR R4 Bundle of one patient with one open stay")
    words.add_argument("--token", help="bearer token, where the service asks who calls")
    words.add_argument("--override", metavar="CODE", help="override the cards for this reason, such as already-managed")
    try:
        main(words.parse_args())
    except urllib.error.HTTPError as error:
        issues = json.loads(error.read() or b"{}").get("issue", [])
        told = [f"{', '.join(each.get('expression', []))}: {each['details']['text']}" for each in issues]
        sys.exit(f"error: status {error.code}: " + "; ".join(told))
    except urllib.error.URLError as error:
        sys.exit(f"error: {error.reason}")
