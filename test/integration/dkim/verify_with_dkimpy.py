"""Verifies DKIM signatures with dkimpy: reads a JSON list of {message, name, record} (message in base64) from standard
input, writes a JSON list of true or false. Asks no DNS."""

import base64
import json
import sys

import dkim


def verify(case):
    def records(name, timeout=5):
        return case["record"].encode() if name.decode().rstrip(".") == case["name"] else None

    try:
        return dkim.verify(base64.b64decode(case["message"]), dnsfunc=records)
    except dkim.DKIMException:
        return False


json.dump([verify(case) for case in json.load(sys.stdin)], sys.stdout)
