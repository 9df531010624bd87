"""Thresholds and exposed paths: what follows from what was seen."""

import pytest

from registry.checks.base import Result
from registry.checks.exposed import exposed
from registry.checks.thresholds import Thresholds
from registry.model.check import CheckDefinition


def statuses(definition: CheckDefinition, seen: str, *, settled: bool = False) -> list[str]:
    thresholds = Thresholds(definition, settled=settled)
    words = {"p": "passing", "w": "warning", "c": "critical"}
    judged = [thresholds.judge(Result(words[each], each)) for each in seen]
    return [each.status if each else "-" for each in judged]


def test_without_thresholds_every_result_counts():
    assert statuses(CheckDefinition(), "pcwp") == ["passing", "critical", "warning", "passing"]


def test_the_first_result_counts_at_once_and_the_next_are_counted():
    given = CheckDefinition(success_before_passing=2, failures_before_critical=3)
    assert statuses(given, "c") == ["critical"]
    assert statuses(given, "pcccpp") == ["passing", "-", "-", "critical", "-", "passing"]
    assert statuses(given, "cpcpp") == ["critical", "-", "-", "-", "passing"]


def test_failures_pass_through_warning():
    given = CheckDefinition(failures_before_warning=1, failures_before_critical=3)
    assert statuses(given, "pccc") == ["passing", "warning", "warning", "critical"]
    given = CheckDefinition(failures_before_warning=2, failures_before_critical=3)
    assert statuses(given, "pcccw") == ["passing", "-", "warning", "critical", "warning"]


def test_a_check_that_was_taken_over_does_not_fall_at_its_first_failure():
    given = CheckDefinition(failures_before_critical=2)
    assert statuses(given, "cc", settled=True) == ["-", "critical"]


def test_what_counts_at_once_passes_thresholds_by():
    thresholds = Thresholds(CheckDefinition(failures_before_critical=9), settled=True)
    timed_out = Result("critical", "Timed out", True)
    assert thresholds.judge(timed_out) == timed_out


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"http": "http://127.0.0.1:80/a/b?c=1"}, {"http": "http://10.0.0.1:21500/a/b?c=1"}),
        ({"http": "https://[::1]/"}, {"http": "https://10.0.0.1:21500/"}),
        ({"http": "http://name"}, {"http": "http://10.0.0.1:21500"}),
        ({"grpc": "127.0.0.1:80/web"}, {"grpc": "10.0.0.1:21500/web"}),
        ({"tcp": "127.0.0.1:80"}, {"tcp": "127.0.0.1:80"}),
    ],
)
def test_an_exposed_check_goes_to_the_proxy(before, after):
    assert exposed(CheckDefinition(**before), "10.0.0.1", 21500) == CheckDefinition(**after)
    assert exposed(CheckDefinition(**before), "10.0.0.1", 0) == CheckDefinition(**before)
