"""Reads of the catalog to the byte: fields and their order, null, [] and {}, selection, order of rows.

Source: catalog.md §4 to §9; common.md §5, §13, §14.
"""

from urllib.parse import quote

import pytest

from tests.contract.consul.exchange import Client

# Rows of the catalog as they stand in every answer.
N1 = (
    '{"ID":"40e4a748-2192-161a-0510-9bf59fe950b5","Node":"n1","Address":"10.0.0.1","Datacenter":"dc1",'
    '"TaggedAddresses":{"lan":"10.0.0.1","wan":"198.18.0.1"},"Meta":{"a":"\\u003c1\\u003e","z":""},'
    '"Locality":{"Region":"r","Zone":"z"},"CreateIndex":2,"ModifyIndex":2}'
)
BARE = (
    '{"ID":"","Node":"bare","Address":"","Datacenter":"dc1","TaggedAddresses":null,"Meta":null,'
    '"CreateIndex":3,"ModifyIndex":3}'
)
NO_PROXY = '{"Mode":"","MeshGateway":{},"Expose":{}}'
WEB = (
    '"Tags":["b","a"],"Address":"10.1.0.1","TaggedAddresses":{"lan_ipv4":{"Address":"10.1.0.1","Port":81},'
    '"wan":{"Address":"198.18.0.1","Port":0}},"Meta":{"k":"\\u0026\\u2028é\\u0001\\b\\f\\n\\r\\t\\"\\\\/"},"Port":80,'
    '"SocketPath":"/s","Weights":{"Passing":10,"Warning":0},"EnableTagOverride":true,"Locality":{"Region":"r"},'
    f'"Proxy":{NO_PROXY},"Connect":{{}},"PeerName":"","CreateIndex":2,"ModifyIndex":2}}'
)
MINIMAL = (
    '{"ID":"min","Service":"min","Tags":[],"Address":"","Meta":null,"Weights":{"Passing":1,"Warning":1},'
    f'"EnableTagOverride":false,"Proxy":{NO_PROXY},"Connect":{{}},"PeerName":"","CreateIndex":4,"ModifyIndex":4}}'
)


@pytest.fixture
async def catalog(consul: Client) -> Client:
    """n1 with a service that has everything, and `bare`, made by a service that has nothing."""
    await consul.register(
        "n1",
        ID="40e4a748-2192-161a-0510-9bf59fe950b5",
        TaggedAddresses={"wan": "198.18.0.1", "lan": "10.0.0.1"},
        NodeMeta={"z": "", "a": "<1>"},
        Locality={"Region": "r", "Zone": "z"},
        Service={
            "ID": "w", "Service": "web", "Tags": ["b", "a"], "Address": "10.1.0.1", "Port": 80, "SocketPath": "/s",
            "TaggedAddresses": {"wan": {"Address": "198.18.0.1"}, "lan_ipv4": {"Address": "10.1.0.1", "Port": 81}},
            "Meta": {"k": '&\u2028é\x01\b\f\n\r\t"\\/'}, "Weights": {"Passing": 10, "Warning": 0},
            "EnableTagOverride": True, "Locality": {"Region": "r"},
        },
    )  # fmt: skip
    await consul.register("bare", "", SkipNodeUpdate=True)
    await consul.add("bare", Service={"Service": "min"})
    return consul


async def test_the_list_of_nodes(catalog: Client) -> None:
    rows = (await catalog.get("/v1/catalog/nodes")).text
    assert rows.startswith(f'[{BARE},{N1},{{"ID":"')
    assert rows.endswith(',"CreateIndex":1,"ModifyIndex":1}]')


async def test_services_with_their_tags(catalog: Client) -> None:
    assert (await catalog.get("/v1/catalog/services")).text == '{"consul":[],"min":[],"web":["a","b"]}'


async def test_the_instances_of_a_service_with_their_nodes(catalog: Client) -> None:
    assert (await catalog.get("/v1/catalog/service/web")).text == (
        '[{"ID":"40e4a748-2192-161a-0510-9bf59fe950b5","Node":"n1","Address":"10.0.0.1","Datacenter":"dc1",'
        '"TaggedAddresses":{"lan":"10.0.0.1","wan":"198.18.0.1"},"NodeMeta":{"a":"\\u003c1\\u003e","z":""},'
        '"ServiceKind":"","ServiceID":"w","ServiceName":"web","ServiceTags":["b","a"],"ServiceAddress":"10.1.0.1",'
        '"ServiceTaggedAddresses":{"lan_ipv4":{"Address":"10.1.0.1","Port":81},'
        '"wan":{"Address":"198.18.0.1","Port":0}},"ServiceWeights":{"Passing":10,"Warning":0},'
        '"ServiceMeta":{"k":"\\u0026\\u2028é\\u0001\\b\\f\\n\\r\\t\\"\\\\/"},"ServicePort":80,'
        '"ServiceSocketPath":"/s","ServiceEnableTagOverride":true,'
        f'"ServiceProxy":{NO_PROXY},"ServiceConnect":{{}},"ServiceLocality":{{"Region":"r"}},'
        '"CreateIndex":2,"ModifyIndex":2}]'
    )
    assert (await catalog.get("/v1/catalog/service/min")).text == (
        '[{"ID":"","Node":"bare","Address":"","Datacenter":"dc1","TaggedAddresses":null,"NodeMeta":null,'
        '"ServiceKind":"","ServiceID":"min","ServiceName":"min","ServiceTags":[],"ServiceAddress":"",'
        '"ServiceWeights":{"Passing":1,"Warning":1},"ServiceMeta":{},"ServicePort":0,"ServiceSocketPath":"",'
        f'"ServiceEnableTagOverride":false,"ServiceProxy":{NO_PROXY},"ServiceConnect":{{}},"ServiceLocality":null,'
        '"CreateIndex":4,"ModifyIndex":4}]'
    )


async def test_a_node_with_its_services_by_id(catalog: Client) -> None:
    body = f'{{"Node":{N1},"Services":{{"w":{{"ID":"w","Service":"web",{WEB}}}}}'
    assert (await catalog.get("/v1/catalog/node/n1")).text == body
    assert (await catalog.get("/v1/catalog/node/bare")).text == f'{{"Node":{BARE},"Services":{{"min":{MINIMAL}}}}}'


async def test_a_node_with_a_list_of_its_services(catalog: Client) -> None:
    body = f'{{"Node":{N1},"Services":[{{"ID":"w","Service":"web",{WEB}]}}'
    assert (await catalog.get("/v1/catalog/node-services/n1")).text == body


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/v1/catalog/service/none", "[]"),
        ("/v1/catalog/connect/none", "[]"),
        ("/v1/catalog/node/none", "null"),
        ("/v1/catalog/node/none?filter=Service+==+x", "null"),
        ("/v1/catalog/node-services/none", '{"Node":null,"Services":null}'),
        ("/v1/catalog/node-services/none?filter=Service+==+x", '{"Node":null,"Services":[]}'),
        ("/v1/catalog/node-services/none?filter=", '{"Node":null,"Services":null}'),
        ("/v1/catalog/gateway-services/none", "[]"),
        ("/v1/catalog/nodes?node-meta=no:node", "[]"),
        ("/v1/catalog/services?node-meta=no:node", "{}"),
        ("/v1/catalog/services?filter=ServicePort+==+99", "{}"),
        ("/v1/catalog/service/web?peer=p", "[]"),
        ("/v1/catalog/connect/web?peer=p", "[]"),
        ("/v1/catalog/datacenters", '["dc1"]'),
        ("/v1/catalog/datacenters?dc=mars&ns=x&wait=x", '["dc1"]'),
    ],
)
async def test_what_is_not_there(catalog: Client, target: str, body: str) -> None:
    answer = await catalog.get(target)
    assert (answer.status, answer.text) == (200, body)
    if "peer=" in target or "gateway" in target:
        assert answer.index == 1


async def test_a_node_without_services(consul: Client) -> None:
    await consul.register("n")
    for query in ("", "?filter="):
        assert (await consul.get(f"/v1/catalog/node/n{query}")).text.endswith(',"Services":{}}')
        assert (await consul.get(f"/v1/catalog/node-services/n{query}")).text.endswith(',"Services":null}')
    for form, empty in (("node", "{}"), ("node-services", "[]")):
        assert (await consul.get(f"/v1/catalog/{form}/n?filter=ID+==+x")).text.endswith(f',"Services":{empty}}}')


async def test_datacenters_answer_contradicting_modes_twice(consul: Client) -> None:
    answer = await consul.get("/v1/catalog/datacenters?stale&consistent")
    assert (answer.status, answer.text) == (
        400,
        'Cannot specify ?stale with ?consistent, conflicting semantics.["dc1"]',
    )
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


# Order and case


async def test_rows_are_in_the_order_of_their_lower_cased_names(consul: Client) -> None:
    for node in ("b", "A", "C", "é", "B2", "a-1", "Z"):
        for service_id in ("y", "X", "Z"):
            await consul.register(node, Service={"Service": "s", "ID": service_id})
    nodes = ["A", "a-1", "b", "B2", "C", "Z", "é"]
    rows = (await consul.get("/v1/catalog/nodes?filter=Node+!=+%22test-node%22")).json
    assert [row["Node"] for row in rows] == nodes
    rows = (await consul.get("/v1/catalog/service/s")).json
    assert [(row["Node"], row["ServiceID"]) for row in rows] == [(node, one) for node in nodes for one in "XyZ"]
    rows = (await consul.get("/v1/catalog/node-services/A")).json["Services"]
    assert [row["ID"] for row in rows] == ["X", "y", "Z"]
    assert list((await consul.get("/v1/catalog/node/A")).json["Services"]) == ["X", "Z", "y"]  # keys: by their bytes


async def test_names_are_found_in_any_case_and_shown_as_they_were_given(consul: Client) -> None:
    await consul.register("NodeA", Service={"Service": "WebApp", "ID": "One", "Tags": ["Blue"]})
    for name in ("webapp", "WEBAPP", "WebApp"):
        [row] = (await consul.get(f"/v1/catalog/service/{name}")).json
        assert (row["Node"], row["ServiceName"], row["ServiceID"]) == ("NodeA", "WebApp", "One")
    for name in ("nodea", "NODEA"):
        assert (await consul.get(f"/v1/catalog/node/{name}")).json["Node"]["Node"] == "NodeA"


async def test_services_are_listed_in_every_spelling(consul: Client) -> None:
    """They are one service to those who ask for it, and two names to those who list."""
    await consul.register("n", Service={"Service": "web", "ID": "1", "Tags": ["b", "a"]})
    await consul.register("n", Service={"Service": "Web", "ID": "2", "Tags": ["a", "c"]})
    assert (await consul.get("/v1/catalog/services")).text == '{"Web":["a","c"],"consul":[],"web":["a","b"]}'
    assert len((await consul.get("/v1/catalog/service/WEB")).json) == 2


async def test_names_outside_ascii_fold_too(consul: Client) -> None:
    await consul.register("Über", Service={"Service": "ÄPFEL", "ID": "É"}, Check={"CheckID": "c", "ServiceID": "é"})
    assert (await consul.get("/v1/catalog/service/%C3%A4pfel")).json[0]["Node"] == "Über"
    assert (await consul.get("/v1/catalog/node/%C3%BCBER")).json["Services"]["É"]["Service"] == "ÄPFEL"
    [entry] = (await consul.get("/v1/health/service/%C3%A4PFEL")).json
    assert [check["CheckID"] for check in entry["Checks"]] == ["c"]


async def test_a_row_shows_the_node_as_it_is_now_and_its_name_as_it_was_written(consul: Client) -> None:
    await consul.register("n", "10.0.0.1", NodeMeta={"a": "1"})
    await consul.add("N", Service={"Service": "web"}, Check={"CheckID": "c", "Node": "N", "ServiceID": "web"})
    await consul.register("n", "10.0.0.2", NodeMeta={"a": "2"})
    [row] = (await consul.get("/v1/catalog/service/web")).json
    assert (row["Node"], row["Address"], row["NodeMeta"]) == ("N", "10.0.0.2", {"a": "2"})
    [entry] = (await consul.get("/v1/health/service/web")).json
    assert (entry["Node"]["Node"], entry["Checks"][0]["Node"]) == ("n", "N")


# Selection


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", "1234"),
        ("tag=a", "12"),
        ("tag=A", "12"),
        ("tag=a&tag=b", "1"),
        ("tag=B&tag=a&tag=a", "1"),
        ("tag=a,b", ""),
        ("tag=none", ""),
        ("tag=", "3"),
        ("tag", "3"),
        ("tag=&tag=c", "3"),
        ("tag=a&filter=ServiceID+!=+%222%22", "1"),
        ("tag=a&node-meta=k:2", "2"),
        ("filter=%22a%22+in+ServiceTags", "1"),
        ("filter=ServiceTags+is+empty", "4"),
    ],
)
async def test_tags_must_all_be_there_in_any_case(consul: Client, query: str, found: str) -> None:
    for number, tags in enumerate((["a", "B"], ["A"], ["", "c"], None), 1):
        service = {"Service": "s", "ID": str(number), "Tags": tags}
        await consul.register(f"n{number}", NodeMeta={"k": str(number)}, Service=service)
    rows = (await consul.get(f"/v1/catalog/service/s?{query}")).json
    assert "".join(row["ServiceID"] for row in rows) == found
    if "filter" not in query:
        entries = (await consul.get(f"/v1/health/service/s?{query}")).json
        assert "".join(entry["Service"]["ID"] for entry in entries) == found


async def test_names_whose_instances_are_all_sorted_out_vanish(consul: Client) -> None:
    await consul.register("n1", NodeMeta={"rack": "1"}, Service={"Service": "web", "ID": "a", "Tags": ["x"]})
    await consul.register("n2", NodeMeta={"rack": "2"}, Service={"Service": "web", "ID": "b", "Tags": ["y"]})
    await consul.register("n2", NodeMeta={"rack": "2"}, Service={"Service": "db"})
    for query, body in (
        ("node-meta=rack:1", '{"web":["x"]}'),
        ("filter=NodeMeta[%22rack%22]+==+2", '{"db":[],"web":["y"]}'),
        ("filter=ServiceTags+contains+y+and+NodeMeta.rack+==+2", '{"web":["y"]}'),
        ("node-meta=rack:1&filter=ServiceName+==+db", "{}"),
    ):
        assert (await consul.get(f"/v1/catalog/services?{query}")).text == body


async def test_a_filter_leaves_the_node_and_sorts_out_its_services(consul: Client) -> None:
    await consul.register("n", Service={"Service": "a", "Port": 1})
    await consul.register("n", Service={"Service": "b", "Port": 2})
    for form, take in (("node", list), ("node-services", lambda rows: [row["ID"] for row in rows])):
        answer = (await consul.get(f"/v1/catalog/{form}/n?filter=Port+==+2")).json
        assert (answer["Node"]["Node"], take(answer["Services"])) == ("n", ["b"])


async def test_a_gateway_knows_no_filter(consul: Client) -> None:
    assert (await consul.get("/v1/catalog/gateway-services/g?filter=Nonsense+==+1")).text == "[]"


async def test_near_an_unknown_node_changes_nothing(consul: Client) -> None:
    for node in ("b", "a"):
        await consul.register(node, Service={"Service": "s"})
    plain = await consul.get("/v1/catalog/service/s")
    for near in ("_agent", "b", "none", ""):
        assert (await consul.get(f"/v1/catalog/service/s?near={near}")).body == plain.body


# Nodes by their id

ID = "abcdef01-2345-6789-0000-000000000001"
TWIN = "abcdef02-2345-6789-0000-000000000002"


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (ID, "one"),
        (ID.upper(), "one"),
        ("abcdef01", "one"),
        ("ABCDEF01", "one"),
        ("abcdef012", "one"),  # of an odd number the last is dropped
        ("abcdef01-", "one"),
        ("abcdef01-2", None),  # half a byte, dashes left out
        ("abcdef01-2345-", "one"),
        ("abcdef0123", "one"),
        ("abcdef", None),  # two of them
        ("ab", None),
        ("a", None),
        ("abcdef03", None),
        (ID + "0", "one"),
        (ID + "00", None),
        ("zz", None),
        ("one", "one"),
    ],
)
async def test_a_node_is_found_by_the_unique_beginning_of_its_id(consul: Client, name: str, found: str | None) -> None:
    await consul.register("one", ID=ID)
    await consul.register("two", ID=TWIN)
    node = (await consul.get(f"/v1/catalog/node/{quote(name)}")).json
    assert (node and node["Node"]["Node"]) == found
    node = (await consul.get(f"/v1/catalog/node-services/{quote(name)}")).json["Node"]
    assert (node and node["Node"]) == found
    if name != "one":
        assert (await consul.get(f"/v1/health/node/{quote(name)}")).text == "[]"


async def test_a_name_goes_before_the_beginning_of_an_id(consul: Client) -> None:
    await consul.register("one", ID=ID)
    await consul.register("abcdef01")
    assert (await consul.get("/v1/catalog/node/abcdef01")).json["Node"]["ID"] == ""


# The mesh

PROXY = {"Service": "web-proxy", "Kind": "connect-proxy", "Port": 9, "Proxy": {"DestinationServiceName": "web"}}


async def test_who_stands_for_a_service_in_the_mesh(consul: Client) -> None:
    await consul.register("a", Service={"Service": "web", "ID": "plain"})
    await consul.register("b", Service={"Service": "web", "ID": "native", "Port": 1, "Connect": {"Native": True}})
    await consul.register("c", Service=PROXY | {"Tags": ["t"]})
    for name in ("web", "WEB"):
        rows = (await consul.get(f"/v1/catalog/connect/{name}?tag=none")).json
        assert [row["ServiceID"] for row in rows] == ["native", "web-proxy"]
    assert (await consul.get("/v1/catalog/connect/web-proxy")).text == "[]"
    assert [row["ServiceID"] for row in (await consul.get("/v1/catalog/service/web")).json] == ["plain", "native"]


async def test_mesh_addresses_are_one_for_each_service_and_are_used_again(consul: Client) -> None:
    async def address(service: str) -> dict[str, object]:
        [row] = (await consul.get(f"/v1/catalog/service/{service}")).json
        virtual: dict[str, object] = row["ServiceTaggedAddresses"]["consul-virtual"]
        return virtual

    await consul.register("n", Service=PROXY)
    await consul.register("n", Service={"Service": "db", "Port": 5, "Connect": {"Native": True}})
    assert await address("web-proxy") == {"Address": "240.0.0.1", "Port": 9}
    assert await address("db") == {"Address": "240.0.0.2", "Port": 5}
    await consul.register("m", Service=PROXY | {"Service": "other-proxy", "Port": 10})
    assert await address("other-proxy") == {"Address": "240.0.0.1", "Port": 10}

    await consul.deregister("n", ServiceID="web-proxy")
    await consul.register("n", Service={"Service": "new", "Port": 1, "Connect": {"Native": True}})
    assert await address("new") == {"Address": "240.0.0.3", "Port": 1}
    await consul.deregister("m", ServiceID="other-proxy")
    await consul.register("n", Service={"Service": "newer", "Port": 1, "Connect": {"Native": True}})
    assert await address("newer") == {"Address": "240.0.0.1", "Port": 1}
    await consul.register("m", Service=PROXY)
    assert await address("web-proxy") == {"Address": "240.0.0.4", "Port": 9}


async def test_merged_rows_of_proxies_lose_their_node(consul: Client) -> None:
    await consul.register("n", NodeMeta={"a": "b"}, Service={"Service": "web"})
    await consul.register("n", NodeMeta={"a": "b"}, Service=PROXY)
    merged = (await consul.get("/v1/catalog/connect/web?merge-central-config")).text
    assert merged.startswith(
        '[{"ID":"","Node":"n","Address":"","Datacenter":"","TaggedAddresses":null,"NodeMeta":null,'
        '"ServiceKind":"connect-proxy","ServiceID":"web-proxy",'
    )
    plain = await consul.get("/v1/catalog/service/web")
    assert (await consul.get("/v1/catalog/service/web?merge-central-config=false")).body == plain.body
    for target in ("/v1/catalog/node-services/n", "/v1/health/connect/web"):
        assert (await consul.get(f"{target}?merge-central-config")).body == (await consul.get(target)).body
