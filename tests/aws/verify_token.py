"""Verifies a token the way a relying party does that knows only the issuer's name: with PyJWT, which nobody here wrote.

The token comes on standard input; its claims go to standard output. Ends with 1 and a sentence when anything is not as it must be.
"""

import argparse
import json
import sys
import urllib.error
import urllib.request

import jwt


def fetch(url):
    # No proxy: the documents are on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=10) as answer:
        return json.load(answer)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--issuer", required=True, help="the issuer's URL, as IAM has it")
    parser.add_argument("--reach", required=True, help="where the issuer's host is to be found instead of under its name")
    parser.add_argument("--audience", required=True)
    parser.add_argument("--subject", required=True)
    wanted = parser.parse_args()
    token = sys.stdin.read().strip()

    # What a TLS terminator does: the host changes, the path stays.
    host = "https://" + wanted.issuer.removeprefix("https://").split("/", 1)[0]

    def reached(url):
        if not url.startswith(host + "/"):
            raise ValueError(f"{url} is not on the issuer's host {host}")
        return wanted.reach + url.removeprefix(host)

    discovery = fetch(reached(wanted.issuer + "/.well-known/openid-configuration"))
    if discovery["issuer"] != wanted.issuer:
        raise ValueError(f"the document names the issuer {discovery['issuer']}, not {wanted.issuer}")
    keys = jwt.PyJWKSet.from_dict(fetch(reached(discovery["jwks_uri"])))
    key = keys[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(
        token,
        key,
        algorithms=discovery["id_token_signing_alg_values_supported"],
        audience=wanted.audience,
        issuer=wanted.issuer,
        options={"require": ["iss", "aud", "sub", "iat", "nbf", "exp", "jti"], "strict_aud": True},
    )
    if claims["sub"] != wanted.subject:
        raise ValueError(f"the subject is {claims['sub']}, not {wanted.subject}")
    json.dump(claims, sys.stdout)


try:
    main()
except (jwt.PyJWTError, urllib.error.URLError, ValueError, KeyError) as error:
    sys.exit(f"{type(error).__name__}: {error}")
