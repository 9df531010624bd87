"""The table of OptiInfra's endpoints, and its words for errors."""

from registry.api.call import Endpoints
from registry.api.rest import Words

endpoint = Endpoints()

WORDS: Words = {
    "agent": (404, "Agent not found"),
    "missing": (400, "{field} is required"),
    "port": (400, "port: {port} is not within 1 to 65535"),
}
