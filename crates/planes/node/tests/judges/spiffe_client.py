"""The SPIFFE client of PyPI against our Workload API: X.509 and JWT, fetched and streamed across a rotation.

Argument: the socket. Prints one word for each thing that worked; whatever does not ends it with an error.
"""

import sys
import threading

from spiffe import SpiffeId, TrustDomain, WorkloadApiClient

client = WorkloadApiClient("unix://" + sys.argv[1])

svid = client.fetch_x509_svid()
assert str(svid.spiffe_id) == "spiffe://bank.test/workload/py", svid.spiffe_id
bundles = client.fetch_x509_bundles()
assert len(bundles.get_bundle_for_trust_domain(TrustDomain("bank.test")).x509_authorities) == 1
print("x509", flush=True)

token = client.fetch_jwt_svid(audience={"ledger"}, subject=SpiffeId("spiffe://bank.test/workload/py"))
assert str(token.spiffe_id) == "spiffe://bank.test/workload/py", token.spiffe_id
valid = client.validate_jwt_svid(token.token, "ledger")
assert valid.spiffe_id == token.spiffe_id
try:
    client.validate_jwt_svid(token.token, "accounts")
    raise SystemExit("a token for another audience was found good")
except Exception as error:
    assert "audience" in str(error), error
print("jwt", flush=True)

# By its own reading of the bundle, without asking the node.
from spiffe import JwtSvid

bundle = client.fetch_jwt_bundles().get_bundle_for_trust_domain(TrustDomain("bank.test"))
offline = JwtSvid.parse_and_validate(token.token, bundle, {"ledger"})
assert offline.spiffe_id == token.spiffe_id
print("jwt-offline", flush=True)

seen, rotated = [], threading.Event()


def on_success(context):
    seen.append(context.default_svid.leaf.serial_number)
    if len(set(seen)) >= 2:
        rotated.set()


errors = []
handle = client.stream_x509_contexts(on_success, errors.append)
assert rotated.wait(50), f"no rotation: {seen} {errors}"
assert not errors, errors
handle.cancel()
print("rotation", flush=True)
