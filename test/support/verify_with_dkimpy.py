"""Verifies every DKIM signature of messages with dkimpy, asking the DNS server at a port of 127.0.0.1: reads
{port, messages} (each message in base64) from standard input, writes a list of [{domain, selector, algorithm, passed}]."""

import base64
import json
import sys

import dkim
import dns.resolver


def verify(message, lookup):
    signatures = [value for name, value in dkim.rfc822_parse(message)[0] if name.lower() == b"dkim-signature"]
    results = []
    for index, value in enumerate(signatures):
        tags = dkim.util.parse_tag_value(value)
        try:
            passed = dkim.DKIM(message).verify(idx=index, dnsfunc=lookup)
        except dkim.DKIMException:
            passed = False
        names = {"domain": b"d", "selector": b"s", "algorithm": b"a"}
        results.append({**{word: tags[tag].decode() for word, tag in names.items()}, "passed": bool(passed)})
    return results


def main():
    case = json.load(sys.stdin)
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = ["127.0.0.1"]
    resolver.port = case["port"]

    def lookup(name, timeout=5):
        try:
            answer = resolver.resolve(name.decode(), "TXT", lifetime=timeout)
        except dns.resolver.NXDOMAIN:
            return None
        return b"".join(answer[0].strings)

    messages = [base64.b64decode(message) for message in case["messages"]]
    json.dump([verify(message, lookup) for message in messages], sys.stdout)


main()
