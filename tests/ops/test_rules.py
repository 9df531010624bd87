"""The alert rules: valid, and each fires when it should and only then. promtool is the judge."""

import re
import subprocess

import pytest

from tests.ops.debian import prometheus_program
from tests.ops.files import RULE_TESTS, RULES, alerts, severities


def promtool(*arguments: object) -> str:
    done = subprocess.run([prometheus_program("promtool"), *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.timeout(120)  # the first one may fetch the package
def test_the_rules_are_valid() -> None:
    assert f"SUCCESS: {len(alerts())} rules found" in promtool("check", "rules", RULES)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_each_alert_fires_for_what_is_bad_and_for_nothing_else() -> None:
    assert "SUCCESS" in promtool("test", "rules", RULE_TESTS)


def test_no_alert_is_left_out_of_these_tests() -> None:
    text = RULE_TESTS.read_text()
    quiet = set(re.findall(r"alertname: (\w+), eval_time: \w+, exp_alerts: \[\]", text))
    fires = set(re.findall(r"alertname: (\w+)\n +eval_time: \w+\n +exp_alerts:\n +- exp_labels", text))
    assert quiet == fires == set(alerts())


def test_each_alert_says_how_bad_it_is_and_what_it_means() -> None:
    assert set(severities().values()) == {"critical", "warning", "info"}
    assert [name for name, text in alerts().items() if not re.search(r'annotations: \{summary: "[^"]+"\}', text)] == []
