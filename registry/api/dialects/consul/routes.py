"""The dialect's table of endpoints, and Consul's whole list of routes with their methods.

`endpoint` is the decorator and the table; the files of each area fill it. `ROUTES` stands from the
start, so that redirects, 405 and OPTIONS are right for every route, built or not.
Source: common.md §17.
"""

from registry.api.call import Endpoints

endpoint = Endpoints()
