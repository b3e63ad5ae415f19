#!/usr/bin/env python3
"""How long a call of the discharge hook with 200 KB of prefetched data takes.

    taskset -c 0 target/release/prodrome-server --demo --listen 127.0.0.1:0   (with PRODROME_EHR__LISTEN=127.0.0.1:8090)
    taskset -c 1 python3 benches/ehr/hook.py 127.0.0.1:8090 [calls]

Times are round trips over one kept connection, so they hold the transport and the client's own share:
the server's time is less. Printed with the size of the call and the number of cards.
"""

import http.client
import json
import sys
import time
from datetime import datetime, timedelta, timezone

SIZE_BYTES = 200_000
LABS = [("718-7", 9.1, "g/dL"), ("2951-2", 131.0, "mmol/L"), ("2160-0", 1.9, "mg/dL"), ("8480-6", 149.0, "mm[Hg]"),
        ("8462-4", 88.0, "mm[Hg]"), ("4548-4", 8.4, "%")]
NOW = datetime.now(timezone.utc)
SUBJECT = {"reference": "Patient/p"}


def ago(hours):
    return (NOW - timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")


def encounter(name, start, end, kind="IMP"):
    period = {"start": ago(start)} | ({"end": ago(end)} if end else {})
    return {"resourceType": "Encounter", "id": name, "status": "finished" if end else "in-progress",
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": kind},
            "subject": SUBJECT, "period": period}


def condition(number, code):
    return {"resourceType": "Condition", "id": f"c{number}", "subject": SUBJECT, "recordedDate": ago(40 * number + 5),
            "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": code}], "text": "as coded"}}


def observation(number):
    code, value, unit = LABS[number % len(LABS)]
    return {"resourceType": "Observation", "id": f"o{number}", "status": "final", "subject": SUBJECT,
            "effectiveDateTime": ago(3 * number + 1), "issued": ago(3 * number),
            "code": {"coding": [{"system": "http://loinc.org", "code": code}], "text": "a laboratory value"},
            "valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}}


def search(resources):
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": each} for each in resources]}


def call():
    stay = encounter("stay", 90, None)
    encounters = [stay] + [encounter(f"e{n}", 900 * n + 400, 900 * n + 300) for n in range(1, 8)]
    conditions = [condition(n, code) for n, code in enumerate(["I50.9", "J44.1", "N18.4", "E11.22", "I10"] * 8)]
    observations = []
    body = {"hook": "encounter-discharge", "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
            "context": {"userId": "Practitioner/1", "patientId": "p", "encounterId": "stay"}}
    patient = {"resourceType": "Patient", "id": "p", "gender": "female", "birthDate": "1948-02-03"}
    coverage = {"resourceType": "Coverage", "id": "cov", "status": "active", "beneficiary": SUBJECT,
                "period": {"start": "2015-01-01"}}
    while True:
        observations += [observation(len(observations) + n) for n in range(10)]
        body["prefetch"] = {
            "patient": patient, "encounter": stay, "encounters": search(encounters), "coverage": search([coverage]),
            "conditions": search(conditions), "procedures": None, "observations": search(observations),
            "medicationRequests": None, "medicationDispenses": None, "medicationAdministrations": None,
            "allergies": None, "immunizations": None}
        text = json.dumps(body).encode()
        if len(text) >= SIZE_BYTES:
            return text, len(observations) + len(conditions) + len(encounters) + 2


def main():
    address, calls = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 2000
    body, resources = call()
    connection = http.client.HTTPConnection(address, timeout=30)
    took = []
    for number in range(calls + 50):
        began = time.perf_counter()
        connection.request("POST", "/cds-services/prodrome-encounter-discharge", body,
                           {"content-type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            sys.exit(f"{answer.status}: {text[:400]!r}")
        if number >= 50:
            took.append(1000 * (time.perf_counter() - began))
    took.sort()
    at = lambda share: took[min(len(took) - 1, int(share * len(took)))]
    print(f"{len(body)} bytes, {resources} resources, {len(json.loads(text)['cards'])} cards, {calls} calls: "
          f"p50 {at(.5):.2f} ms, p99 {at(.99):.2f} ms, longest {took[-1]:.2f} ms")


main()
