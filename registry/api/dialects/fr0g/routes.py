"""The table of the fr0g shape's endpoints, and its words for errors."""

from registry.api.call import Endpoints
from registry.api.rest import Words

endpoint = Endpoints()

WORDS: Words = {
    "check-duration": (400, "check.{field}: {value} is no duration such as 30s"),
    "meta": (400, "meta: {problem}"),
    "missing": (400, "{field} is required"),
    "port": (400, "port: {port} is not within 0 to 65535"),
}

# Reasons that its clients know as plain text, with a line break behind it.
TEXTS: Words = {
    "agent": (500, "service not found: {id}\n"),
    "health-target": (404, "Service not found\n"),
}
