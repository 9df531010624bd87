"""How names are compared: the one place that folds case.

Consul matches node names, service names, service ids, check ids and check states without regard to
case and returns the stored spelling (api-docs of the catalog; Consul's indexes are lower-cased).
"""

fold = str.lower
