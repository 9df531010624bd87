"""The page of figures as a test reads it."""

from prometheus_client.parser import text_string_to_metric_families

from tests.contract.consul.exchange import Client


async def figures(consul: Client) -> dict[str, float]:
    """Every sample of `/metrics` by its name as a query writes it: `registry_checks{status="critical"}`."""
    return parsed((await consul.send("GET /metrics")).text)


def parsed(text: str) -> dict[str, float]:
    """The samples of a page."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def families(text: str) -> dict[str, tuple[str, str]]:
    """Type and labels (`le` aside) of each family of a page, by the name that a query uses."""
    found: dict[str, tuple[str, str]] = {}
    for family in text_string_to_metric_families(text):
        labels = {name: None for sample in family.samples for name in sample.labels if name != "le"}
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found[name] = (family.type, ", ".join(sorted(labels)))
    return found
