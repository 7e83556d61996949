"""Certificates for the racers that are not ours: as ours, P-256, a leaf under an issuing CA under a root, with a SPIFFE ID."""

import subprocess

NAME = "race.test"  # what the client end looks for in the server's certificate

CONFIG = """
[req]
distinguished_name = dn
[dn]
[ca]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = ${ENV::SAN}
"""


def openssl(folder, *arguments, san="DNS:none"):
    command = ["openssl", *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, env={"SAN": san, "PATH": "/usr/bin:/bin"}, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{command}: {done.stderr}")


def make(folder):
    """root.pem, and for each of outbound, inbound, caller: NAME.pem (leaf and issuing CA), NAME.key, NAME.both (one file)."""
    (folder / "openssl.cnf").write_text(CONFIG)
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-config", "openssl.cnf"]
    openssl(folder, "req", "-x509", *key, "-keyout", "root.key", "-out", "root.pem", "-days", 2, "-subj", "/CN=root", "-extensions", "ca")
    issue(folder, key, "issuing", "root", "ca", "DNS:none")
    for name in ("outbound", "inbound", "caller"):
        issue(folder, key, name, "issuing", "leaf", f"URI:spiffe://{NAME}/svc/{name},DNS:{NAME}")
        leaf, issuing = (folder / f"{name}.pem").read_text(), (folder / "issuing.pem").read_text()
        (folder / f"{name}.pem").write_text(leaf + issuing)
        (folder / f"{name}.both").write_text(leaf + issuing + (folder / f"{name}.key").read_text())


def issue(folder, key, name, by, extensions, san):
    openssl(folder, "req", "-new", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}", san=san)
    openssl(
        folder, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{by}.pem", "-CAkey", f"{by}.key", "-CAcreateserial", "-out", f"{name}.pem",
        "-days", 2, "-extfile", "openssl.cnf", "-extensions", extensions, san=san,
    )
