"""Copy the services of a running Consul into a registry, or those of a registry into a Consul.

    python copy_catalog.py http://consul.example:8500 http://localhost:8500
    python copy_catalog.py http://consul.example:8500 http://localhost:8500 --every 10
    python copy_catalog.py http://consul.example:8500 http://localhost:8500 --remove

Copied are the nodes that carry services or checks of their own, with their services and checks and the state these are
in; not the service `consul` and not `serfHealth`, which each server has itself. A node keeps the mark `copied-from` in
its metadata, so that whatever disappears at the source is taken away here too, and `--remove` finds all of it.

A copied check is run by nobody: it shows what it showed at the source. Repeat the copy, with `--every`, for as long as
programs still register there. CONSUL_HTTP_TOKEN, if it is set, goes to both. Python 3.11 or later, nothing else.
"""

import argparse
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

MARK = "copied-from"
OWN_SERVICE, OWN_CHECK = "consul", "serfHealth"
SERVICE_KEYS = ("ID", "Service", "Tags", "Address", "TaggedAddresses", "Meta", "Port", "Weights", "EnableTagOverride")
CHECK_KEYS = ("CheckID", "Name", "Status", "Notes", "Output", "ServiceID")

Row = dict[str, Any]
Node = tuple[Row, dict[str, Row], dict[str, Row]]  # its own row, its services and its checks, each by its id


class Server:
    """The HTTP API of one side."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """The JSON that comes back, or nothing.

        Raises:
            SystemExit: the server refuses, or does not answer.
        """
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, method=method)
        if token := os.environ.get("CONSUL_HTTP_TOKEN"):
            request.add_header("X-Consul-Token", token)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise SystemExit(
                f"{method} {self.url}{path}: {error.code} {error.read().decode(errors='replace')}"
            ) from None
        except OSError as error:
            raise SystemExit(f"{method} {self.url}{path}: {error}") from None
        return json.loads(text) if text else None

    def node(self, row: Row) -> Node:
        """A node with what it carries that is not the server's own."""
        name = urllib.parse.quote(row["Node"], safe="")
        services = self.ask("GET", f"/v1/catalog/node/{name}")["Services"]
        checks = self.ask("GET", f"/v1/health/node/{name}")
        return (
            row,
            {key: service for key, service in services.items() if key != OWN_SERVICE},
            {check["CheckID"]: check for check in checks if check["CheckID"] != OWN_CHECK},
        )

    def rows(self) -> list[Row]:
        """All nodes, without what they carry."""
        return list(self.ask("GET", "/v1/catalog/nodes"))


def kept(row: Row, *keys: str) -> Row:
    """A row with these keys alone, those with nothing in them left out."""
    return {key: row[key] for key in keys if row.get(key) not in (None, "", {})}


def registrations(node: Node, source: str) -> list[Row]:
    """What registers a node with all that it carries: one body for each service, and one for the node."""
    row, services, checks = node
    base = {**kept(row, "Node", "Address", "TaggedAddresses"), "NodeMeta": {**(row["Meta"] or {}), MARK: source}}
    of_node = [kept(check, *CHECK_KEYS) for check in checks.values() if not check["ServiceID"]]
    bodies: list[Row] = [{**base, "Checks": of_node}]
    for key, service in services.items():
        definition = kept(service, *SERVICE_KEYS)
        if service.get("Kind"):
            definition |= {"Kind": service["Kind"], "Proxy": kept(service["Proxy"], *service["Proxy"])}
        own = [kept(check, *CHECK_KEYS) for check in checks.values() if check["ServiceID"] == key]
        bodies.append({**base, "Service": definition, "Checks": own})
    return bodies


def removals(there: Node, wanted: Node | None) -> list[Row]:
    """What takes away all that a copied node has and the source has no more."""
    row, services, checks = there
    if wanted is None:
        return [{"Node": row["Node"]}]
    gone = [{"Node": row["Node"], "ServiceID": key} for key in services if key not in wanted[1]]
    removed = {body["ServiceID"] for body in gone}  # with its checks
    return gone + [
        {"Node": row["Node"], "CheckID": key}
        for key, check in checks.items()
        if key not in wanted[2] and check["ServiceID"] not in removed
    ]


def copy(source: Server, target: Server, nothing: bool = False) -> str:
    """Make the target's copy what the source has now, or nothing; what was done, in words.

    Raises:
        SystemExit: the target has a node of that name already, which is no copy.
    """
    originals = [] if nothing else [row for row in source.rows() if MARK not in (row["Meta"] or {})]
    wanted = {node[0]["Node"]: node for node in map(source.node, originals) if node[1] or node[2]}
    marks = {row["Node"]: (row["Meta"] or {}).get(MARK) for row in target.rows()}
    if foreign := sorted(name for name in wanted if marks.get(name, source.url) != source.url):
        raise SystemExit(f"{target.url} has nodes of its own with these names: {', '.join(foreign)}")
    there = [target.node(row) for row in target.rows() if marks[row["Node"]] == source.url]
    taken = [body for node in there for body in removals(node, wanted.get(node[0]["Node"]))]
    for body in taken:
        target.ask("PUT", "/v1/catalog/deregister", body)
    for node in wanted.values():
        for body in registrations(node, source.url):
            target.ask("PUT", "/v1/catalog/register", body)
    services = sum(len(node[1]) for node in wanted.values())
    checks = sum(len(node[2]) for node in wanted.values())
    return f"{len(wanted)} nodes, {services} services, {checks} checks copied; {len(taken)} removals"


def main() -> None:
    """Copy once, again and again, or take the copy away."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("source", help="URL that is read")
    parser.add_argument("target", help="URL that is written to")
    parser.add_argument("--every", type=float, metavar="SECONDS", help="go on, and copy this often")
    parser.add_argument("--remove", action="store_true", help="remove at the target what was copied from the source")
    options = parser.parse_args()
    source, target = Server(options.source), Server(options.target)
    while True:
        try:
            sys.stdout.write(copy(source, target, nothing=options.remove) + "\n")
            sys.stdout.flush()
        except SystemExit as error:
            if not options.every:
                raise
            sys.stderr.write(f"{error}\n")  # the next time it may answer again
        if not options.every:
            return
        time.sleep(options.every)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
